//! What is fixed once an object is bound to a key, and what a KMS may deny of it. All in memory.

mod denied;
