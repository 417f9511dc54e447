//! The place in 3D.
