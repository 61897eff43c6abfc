//! Damaged model files: always an error, never a panic.

use proptest::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use segue_models::{Expert, ExpertKind, ModelError, Scope, Tensors};

use crate::world::{SOURCE, Subject, TARGET, World, subjects};

/// One array of a file, free to be damaged.
#[derive(Clone)]
struct Array {
    name: String,
    dtype: Dtype,
    data: Vec<u8>,
}

impl Array {
    fn value_bytes(&self) -> usize {
        match self.dtype {
            Dtype::U64 | Dtype::I64 => 8,
            Dtype::U8 => 1,
            _ => 4,
        }
    }

    fn with(&self, damage: impl Fn(&mut Vec<u8>)) -> Self {
        let mut damaged = self.clone();
        damage(&mut damaged.data);
        damaged
    }
}

fn arrays(bytes: &[u8]) -> Vec<Array> {
    let file = SafeTensors::deserialize(bytes).expect("a whole file");
    let read = |(name, view): (String, TensorView<'_>)| Array {
        name,
        dtype: view.dtype(),
        data: view.data().to_vec(),
    };
    file.tensors().into_iter().map(read).collect()
}

fn file(arrays: &[Array]) -> Vec<u8> {
    let views = arrays.iter().map(|array| (array.name.clone(), view(array)));
    safetensors::serialize(views, None).expect("arrays of one dimension")
}

fn view(array: &Array) -> TensorView<'_> {
    let shape = vec![array.data.len() / array.value_bytes()];
    TensorView::new(array.dtype, shape, &array.data).expect("whole values")
}

fn load(world: &World, subject: &Subject, bytes: &[u8]) -> Result<Expert, ModelError> {
    let mut tensors = Tensors::from_bytes(bytes)?;
    Expert::load(subject.id, subject.config.clone(), &world.items, TARGET, &mut tensors)
}

// What can happen to one array, and must not go unnoticed.
fn damages(array: &Array) -> Vec<(&'static str, Array)> {
    let value_bytes = array.value_bytes();
    let shorter = array.with(|data| data.truncate(data.len() - value_bytes));
    let longer = array.with(|data| data.extend(vec![0; value_bytes]));
    let empty = array.with(Vec::clear);
    let last = |value: &'static [u8]| {
        array.with(|data| {
            let end = data.len();
            data[end - value.len()..].copy_from_slice(value);
        })
    };
    let mut damages = vec![("shorter", shorter), ("empty", empty)];
    match array.dtype {
        Dtype::F32 => {
            damages.push(("longer", longer));
            damages.push(("not a number", last(&[0, 0, 0xc0, 0x7f])));
            damages.push(("infinite", last(&[0, 0, 0x80, 0x7f])));
            damages.push(("of another type", Array { dtype: Dtype::U32, ..array.clone() }));
        }
        Dtype::U32 | Dtype::U64 => {
            damages.push(("longer", longer));
            // A single time has nothing to be out of order with.
            if array.data.len() > 8 || array.dtype == Dtype::U32 {
                damages.push(("out of range", last(&[0xff; 4])));
            }
            let dtype = if array.dtype == Dtype::U32 { Dtype::I32 } else { Dtype::I64 };
            damages.push(("of another type", Array { dtype, ..array.clone() }));
        }
        // A list of words as JSON; one word less leaves its column without a name.
        _ => {
            damages.push(("not UTF-8", last(&[0xff])));
            damages.push(("one word less", array.with(drop_last_word)));
        }
    }
    damages
}

fn drop_last_word(json: &mut Vec<u8>) {
    let mut words: Vec<String> = serde_json::from_slice(json).expect("a list of words");
    words.pop();
    *json = serde_json::to_vec(&words).expect("a list of words");
}

#[test]
fn every_damage_to_every_array_is_an_error() {
    let world = World::new();
    let mut n_damages = 0;
    for subject in subjects() {
        let whole = arrays(&world.fit(&subject).unwrap().save().to_bytes().unwrap());
        assert!(load(&world, &subject, &file(&whole)).is_ok(), "{}", subject.name);
        for at in 0..whole.len() {
            let name = &whole[at].name;
            let mut without = whole.clone();
            without.remove(at);
            let error = load(&world, &subject, &file(&without)).unwrap_err();
            assert!(matches!(error, ModelError::Missing(_)), "{}: {name} missing: {error}", subject.name);
            for (damage, array) in damages(&whole[at]) {
                let mut damaged = whole.clone();
                damaged[at] = array;
                let loaded = load(&world, &subject, &file(&damaged));
                assert!(loaded.is_err(), "{}: {name} {damage} was accepted", subject.name);
                n_damages += 1;
            }
        }
    }
    assert!(n_damages > 200, "{n_damages}");
}

#[test]
fn the_arrays_of_a_larger_catalog_are_refused() {
    let world = World::new();
    for subject in subjects() {
        let bytes = world.fit(&subject).unwrap().save().to_bytes().unwrap();
        let mut tensors = Tensors::from_bytes(&bytes).unwrap();
        // The other domain has fewer candidates; only models of text and mixed sequences hold all items.
        let loaded = Expert::load(subject.id, subject.config.clone(), &world.items, SOURCE, &mut tensors);
        let holds_all = match subject.id.kind {
            ExpertKind::Content | ExpertKind::Encoder | ExpertKind::Image | ExpertKind::Audio => true,
            ExpertKind::Behavior | ExpertKind::Transfer | ExpertKind::Joint => subject.id.scope == Scope::All,
            _ => false,
        };
        assert_eq!(loaded.is_ok(), holds_all, "{}", subject.name);
    }
}

proptest! {
    #![proptest_config(crate::world::fixed(24))]

    #[test]
    fn random_damage_never_panics(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 1_u8..), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let world = World::new();
        for subject in subjects() {
            let mut bytes = world.fit(&subject).unwrap().save().to_bytes().unwrap();
            for (place, change) in &flips {
                let at = place.index(bytes.len());
                bytes[at] ^= change;
            }
            if let Some(cut) = &cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            if let Ok(expert) = load(&world, &subject, &bytes) {
                for history in world.histories() {
                    world.scores(&expert, &history);
                }
            }
        }
    }
}
