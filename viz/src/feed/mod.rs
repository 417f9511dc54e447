//! Where the model's content comes from: a live rig, a recording, or a rig started here.
