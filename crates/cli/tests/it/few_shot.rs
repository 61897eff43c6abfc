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

#[test]
fn pseudo_labels_have_their_evidence_and_are_off_where_valid_refuses_them() {
    let folder = Folder::new("pseudo-labels");
    data::import(&folder);
    std::fs::write(folder.join("segue.toml"), "[fit]\nexperts = [\"popularity\", \"window\"]\n").unwrap();
    let asked = format!("few-shot data {QUICK} --shares 0,50 --pseudo-labels");
    let curves = folder.json(&asked);
    let shares = curves[0]["shares"].as_array().unwrap();
    let of = |at: usize| &shares[at]["pseudo_labels"];
    assert!(of(0)["evidence"].is_null(), "nothing to calibrate by");
    assert_eq!(of(0)["gain"]["difference"]["mean"], 0.0);
    let evidence = &of(1)["evidence"];
    let trials = evidence["trials"].as_array().unwrap();
    assert!(!trials.is_empty() && evidence["n_calibration_cases"].as_u64() > Some(0), "{evidence}");
    let proved = trials.iter().any(|trial| trial["gain"]["lo"].as_f64() > Some(0.0));
    assert_eq!(evidence["kept"].is_number(), proved, "{evidence}");
    let without = shares[1]["systems"][0]["ndcg_at_10"]["mean"].as_f64().unwrap();
    let gain = of(1)["gain"]["difference"]["mean"].as_f64().unwrap();
    assert!((of(1)["ndcg_at_10"]["mean"].as_f64().unwrap() - without - gain).abs() < 1e-9);
    assert_eq!(curves, folder.json(&asked), "the same seed, the same bytes");
    let table = folder.ok(&asked);
    assert!(table.contains("Pseudo-labels") && table.contains("not tried: too few"), "{table}");
}

#[test]
fn users_who_are_new_are_served_from_what_they_did_elsewhere() {
    let folder = Folder::new("cold-users");
    data::import(&folder);
    std::fs::write(folder.join("segue.toml"), "[fit]\nexperts = [\"popularity\", \"window\"]\n").unwrap();
    let measured = &folder.json(&format!("few-shot data {QUICK} --cold-users"))[0];
    let systems = measured["systems"].as_array().unwrap();
    let find = |name: &str| systems.iter().find(|system| system["name"] == name).unwrap();
    let ndcg = |name: &str| find(name)["ndcg_at_10"]["mean"].as_f64().unwrap();
    for system in systems {
        assert_eq!(system["ndcg_at_10"]["n"], measured["n_cases"]);
    }
    assert!(ndcg("window@sources") > ndcg("popularity"), "books tell which films: {measured}");
    let minus = &find("popularity")["blend_minus_it"];
    let gap = minus["difference"]["mean"].as_f64().unwrap() - (ndcg("blend") - ndcg("popularity"));
    assert!(gap.abs() < 1e-9, "{minus}");
    let table = folder.ok(&format!("few-shot data {QUICK} --cold-users"));
    assert!(table.contains("new users by") && table.contains("blend chosen for such users"), "{table}");
}
