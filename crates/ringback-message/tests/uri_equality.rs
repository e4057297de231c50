//! When URIs mean the same (RFC 3261 §19.1.4): the RFC's own examples and what follows from its rules.

use ringback_message::{Uri, UriBuf};

#[test]
fn the_table_of_pairs_holds_both_ways() {
    let table = include_str!("fixtures/uri-equality.tsv");
    let mut pairs = 0;
    for row in table.lines().skip(1) {
        let columns: Vec<&str> = row.split('\t').collect();
        let (a, b, equal) = (columns[0], columns[1], columns[2] == "yes");
        let parse = |text: &'static str| {
            Uri::parse(text.as_bytes()).unwrap_or_else(|error| panic!("{text}: {error}"))
        };
        assert_eq!(parse(a).equivalent(&parse(b)), equal, "{a} and {b}: {}", columns[3]);
        assert_eq!(parse(b).equivalent(&parse(a)), equal, "{b} and {a}: {}", columns[3]);
        pairs += 1;
    }
    assert!(pairs > 25, "{pairs} pairs");
}

#[test]
fn a_uri_whose_parameter_stands_twice_is_still_equal_to_itself() {
    let uri = Uri::parse(b"sip:example.com;day=monday;day=tuesday").unwrap();
    assert!(uri.equivalent(&uri));
}

#[test]
fn uris_of_very_many_parameters_are_compared_as_they_are_spelled() {
    let with = |count: usize, last: &str| {
        let params: String = (0..count).map(|number| format!(";p{number}={number}")).collect();
        UriBuf::new(&format!("sip:a@B.example{params}{last}")).unwrap()
    };
    for (count, equal) in [(64, true), (65, false)] {
        let (a, b) = (with(count - 1, ";x=A"), with(count - 1, ";X=a"));
        assert_eq!(a.as_uri().equivalent(&b.as_uri()), equal, "{count}");
        assert!(a.as_uri().equivalent(&a.as_uri()));
    }
}
