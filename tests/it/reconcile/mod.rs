//! The real program on a real API server, with a KMS on the wire. The KMS's ledger and the objects' status say what happened.

mod lifecycle;
mod pending;
mod provider;
mod release;
