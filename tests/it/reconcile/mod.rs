//! The controllers, in memory or on a real API server, with a KMS on the wire. The KMS's ledger and the objects' status say what happened.

mod adoption;
mod alarm;
mod brake;
mod crowd;
mod drift;
mod edge;
mod enabled;
mod ends;
mod held;
mod in_use;
mod invalid;
mod key_policy;
mod lifecycle;
mod missing;
mod on_demand;
mod pause;
mod pending;
mod policy;
mod provider;
mod release;
mod settings;
mod states;
mod takeup;
