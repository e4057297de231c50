//! Every layer keeps the contract of `Machine`.

use ringback_testkit::contract::{
    ProxySubject, Subject, TransactionsSubject, TransportSubject, UserAgentSubject, check,
};

#[track_caller]
fn keeps_the_contract<S: Subject>() {
    for seed in 0..300 {
        if let Err(broken) = check::<S>(seed) {
            panic!("seed {seed}: {broken}");
        }
    }
}

#[test]
fn the_transport_keeps_the_contract() {
    keeps_the_contract::<TransportSubject>();
}

#[test]
fn the_transactions_keep_the_contract() {
    keeps_the_contract::<TransactionsSubject>();
}

#[test]
fn the_proxy_keeps_the_contract() {
    keeps_the_contract::<ProxySubject>();
}

#[test]
fn the_user_agent_keeps_the_contract() {
    keeps_the_contract::<UserAgentSubject>();
}
