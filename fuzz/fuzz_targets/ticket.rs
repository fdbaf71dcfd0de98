//! Any bytes as a ticket.
#![no_main]
use libfuzzer_sys::fuzz_target;
use wire::Ticket;

fuzz_target!(|input: &[u8]| {
    if let Ok(ticket) = Ticket::parse("fuzz", input) {
        let again = Ticket::parse("fuzz", &ticket.to_json().unwrap()).unwrap();
        assert_eq!(again.addresses, ticket.addresses);
        assert!(again.secret.matches(&ticket.secret));
    }
});
