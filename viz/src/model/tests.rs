//! Tests of the model, without a window.
