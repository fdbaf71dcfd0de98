//! tilefn.
