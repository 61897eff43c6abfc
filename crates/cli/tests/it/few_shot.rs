//! The curve of a domain with a part of its users.

use crate::command::Folder;
use crate::data;

const QUICK: &str = "--target films --budget 1";

#[test]
fn the_curve_has_every_share_and_the_same_whole_test_set() {
    let folder = Folder::new("few-shot");
    data::import(&folder);
    std::fs::write(folder.join("segue.toml"), "[fit]\nexperts = [\"popularity\", \"window\", \"content\"]\n")
        .unwrap();
    let curves = folder.json(&format!("few-shot data {QUICK} --shares 0,5,100 --out curve.html"));
    let curve = &curves[0];
    let shares = curve["shares"].as_array().unwrap();
    assert_eq!(shares.len(), 3);
    assert_eq!((&shares[0]["n_events"], &shares[0]["chosen_on"]), (&0.into(), &"sources".into()));
    assert_eq!(shares[2]["n_users"], curve["n_users"]);
    assert_eq!(shares[2]["chosen_on"], "target");
    for share in shares {
        for system in share["systems"].as_array().unwrap() {
            assert_eq!(system["ndcg_at_10"]["n"], curve["n_test_cases"]);
        }
        let difference = &share["differences"].as_array().unwrap().last().unwrap();
        assert_eq!(difference["against"], "floor (window + words)");
        let gap = difference["candidate"].as_f64().unwrap() - difference["baseline"].as_f64().unwrap();
        assert!((gap - difference["difference"]["mean"].as_f64().unwrap()).abs() < 1e-9);
    }
    let page = std::fs::read_to_string(folder.join("curve.html")).unwrap();
    assert!(page.contains("by share of users revealed"), "the picture is there");
    let table = folder.ok(&format!("few-shot data {QUICK} --shares 0,5"));
    assert!(table.contains("Verdicts") && table.contains("over floor"), "{table}");
    assert!(folder.fails(2, &format!("few-shot data {QUICK} --shares 101")).contains("no share in percent"));
}
