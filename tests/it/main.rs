//! The one integration-test binary.

// A test says what it expects by panicking.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod ack;
mod admission;
mod answers;
mod attacks;
mod aws;
mod bound;
mod chart;
mod ciphertrust;
mod contract;
mod crash;
mod examples;
mod faults;
mod first_runs;
mod grants;
mod house;
mod huawei;
mod huawei_sdk;
mod iam;
mod invariants;
mod layering;
mod lease;
mod localstack_story;
mod manifests;
mod messages;
mod migration;
mod orphans;
mod pages;
mod port;
mod program;
mod publishing;
mod reconcile;
mod replacing;
mod replicas;
mod seeds;
mod stories;
mod support;
mod threats;
mod two_operators;
mod upgrade;
mod way_out;
