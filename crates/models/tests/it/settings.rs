//! Settings are read back as they were written, and a misspelled one is refused.

use segue_models::{ExpertConfig, ExpertId};
use serde_json::{Value, json};

use crate::world::subjects;

#[test]
fn settings_and_names_survive_being_written() {
    for subject in subjects() {
        let text = serde_json::to_string(&subject.config).unwrap();
        assert_eq!(serde_json::from_str::<ExpertConfig>(&text).unwrap(), subject.config, "{text}");
        let id = serde_json::to_string(&subject.id).unwrap();
        assert_eq!(serde_json::from_str::<ExpertId>(&id).unwrap(), subject.id, "{id}");
    }
}

#[test]
fn an_unknown_setting_and_a_missing_one_are_refused() {
    for subject in subjects() {
        let mut written = serde_json::to_value(&subject.config).unwrap();
        let settings = written.as_object_mut().unwrap().values_mut().next().unwrap().as_object_mut().unwrap();
        settings.insert("recencyy".into(), json!(0.5));
        assert!(serde_json::from_value::<ExpertConfig>(written.clone()).is_err(), "{written}");
        remove_first_setting(&mut written);
        assert!(serde_json::from_value::<ExpertConfig>(written.clone()).is_err(), "{written}");
    }
    assert!(serde_json::from_value::<ExpertConfig>(json!({"oracle": {}})).is_err());
}

fn remove_first_setting(written: &mut Value) {
    for settings in written.as_object_mut().into_iter().flat_map(serde_json::Map::values_mut) {
        if let Some(settings) = settings.as_object_mut() {
            settings.remove("recencyy");
            let first = settings.keys().next().cloned().unwrap_or_default();
            settings.remove(&first);
        }
    }
}
