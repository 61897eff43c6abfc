//! `segue encode` on files: vectors that are there already in every format, and pictures through a model of random weights.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::command::Folder;

// Items a, b, c, d of one domain.
fn dataset(name: &str) -> Folder {
    let folder = Folder::new(name);
    let mut events = "user,item,timestamp\n".to_owned();
    for user in 0..6 {
        for at in 0..3 {
            let item = ["a", "b", "c", "d"][(user + at) % 4];
            events.extend([format!("u{user},{item},{}\n", 1_000 + 10 * user + at)]);
        }
    }
    fs::write(folder.join("events.csv"), events).unwrap();
    folder.ok("import events.csv --to data");
    folder
}

fn floats(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

fn npy(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn stored(folder: &Folder, modality: &str) -> Vec<f32> {
    let bytes = fs::read(folder.join(&format!("data/{modality}-vectors.safetensors"))).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let data = file.tensor("vectors").unwrap().data().to_vec();
    data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
}

#[test]
fn vectors_of_every_format_reach_their_items() {
    let folder = dataset("vectors");
    let rows: [f32; 10] = [1.0, 0.5, 2.0, -0.5, 3.0, 0.25, 4.0, -0.25, 5.0, 8.0]; // a, b, c, d and x
    fs::write(folder.join("ids.txt"), "a\nb\nc\nd\nx\n").unwrap();
    fs::write(folder.join("v.f32"), floats(&rows)).unwrap();
    fs::write(folder.join("v.npy"), npy("<f4", "(5, 2)", &floats(&rows))).unwrap();
    let double: Vec<u8> = rows.iter().flat_map(|x| f64::from(*x).to_le_bytes()).collect();
    fs::write(folder.join("double.npy"), npy("<f8", "(5, 2)", &double)).unwrap();
    let bytes = floats(&rows);
    let view = TensorView::new(Dtype::F32, vec![5, 2], &bytes).unwrap();
    fs::write(folder.join("v.safetensors"), safetensors::serialize([("v", view)], None).unwrap()).unwrap();
    let mut first: Option<Vec<f32>> = None;
    for given in ["v.f32 --dim 2", "v.npy", "double.npy", "v.safetensors"] {
        let told = folder.json(&format!("encode data --modality image --vectors {given} --ids ids.txt"));
        let figures = &told["figures"];
        assert_eq!(
            (&figures["n_rows"], &figures["n_of_no_item"], &figures["n_without"], &figures["of_no_item"]),
            (&json!(5), &json!(1), &json!(0), &json!(["x"])),
            "{given}"
        );
        let values = stored(&folder, "image");
        let mut pairs: Vec<&[f32]> = values.chunks_exact(2).collect();
        pairs.sort_by(|a, b| a[0].total_cmp(&b[0]));
        assert_eq!(pairs.concat(), rows[..8], "{given}");
        assert_eq!(*first.get_or_insert(values.clone()), values, "{given}");
    }
    // The ids say whose a row is, not its place.
    let reversed: Vec<f32> = rows.chunks_exact(2).rev().flatten().copied().collect();
    fs::write(folder.join("reversed.f32"), floats(&reversed)).unwrap();
    fs::write(folder.join("reversed.txt"), "x\nd\nc\nb\na\n").unwrap();
    folder.ok("encode data --modality image --vectors reversed.f32 --dim 2 --ids reversed.txt");
    assert_eq!(Some(stored(&folder, "image")), first);
}

#[test]
fn vectors_that_do_not_fit_are_refused_with_what_is_wrong() {
    let folder = dataset("refused-vectors");
    fs::write(folder.join("v.npy"), npy("<f4", "(4, 2)", &floats(&[1.0; 8]))).unwrap();
    fs::write(folder.join("three.npy"), npy("<f4", "(3, 2)", &floats(&[1.0; 6]))).unwrap();
    fs::write(folder.join("nan.npy"), npy("<f4", "(4, 2)", &floats(&[f32::NAN; 8]))).unwrap();
    fs::write(folder.join("zero.npy"), npy("<f4", "(4, 2)", &floats(&[0.0; 8]))).unwrap();
    for (name, text) in [
        ("own.txt", "a\nb\nc\nd\n"),
        ("twice.txt", "a\nb\na\nd\n"),
        ("short.txt", "a\nb\nc\n"),
        ("others.txt", "w\nx\ny\nz\n"),
        ("table.txt", "a\t0\nb\t1\nc\t2\nd\t3\n"),
        ("gap.txt", "a\n\nc\nd\n"),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    for (code, given, said) in [
        (2, "v.npy", "does not say whose its rows are"),
        (1, "three.npy --ids own.txt", "4 ids"),
        (1, "nan.npy", "row 1 has NaN"),
        (1, "zero.npy --ids own.txt", "no item gets a vector"),
        (1, "v.npy --ids twice.txt", "rows 1 and 3"),
        (1, "v.npy --ids short.txt", "3 ids"),
        (1, "v.npy --ids others.txt", "none of the 4 ids"),
        (1, "v.npy --ids table.txt", "cut -f1"),
        (1, "v.npy --ids gap.txt", "line 2"),
        (1, "v.npy --dim 3", "2 numbers, not 3"),
        (1, "ids.txt", "No such file"),
        (1, "twice.txt", "--dim N"),
        (2, "v.npy --domain films", "there is no domain `films`"),
        (2, "v.npy --model minilm", "cannot be used with"),
    ] {
        let error = folder.fails(code, &format!("encode data --modality image --vectors {given}"));
        assert!(error.contains(said), "{given}: {error}");
    }
    assert!(!folder.join("data/image-vectors.safetensors").exists());
    assert!(folder.fails(2, "encode data").contains("--model"));
}

const WIDTH: usize = 8;

// A CLIP tower of pictures, 8 by 8 in patches of 4, whose weights are sines.
fn model(folder: &Path) {
    let mut shapes: Vec<(String, Vec<usize>)> = vec![
        ("vision_model.embeddings.class_embedding".into(), vec![WIDTH]),
        ("vision_model.embeddings.patch_embedding.weight".into(), vec![WIDTH, 3, 4, 4]),
        ("vision_model.embeddings.position_embedding.weight".into(), vec![5, WIDTH]),
        ("visual_projection.weight".into(), vec![6, WIDTH]),
    ];
    let mut pair = |name: &str, weight: &[usize]| {
        shapes.push((format!("vision_model.{name}.weight"), weight.to_vec()));
        shapes.push((format!("vision_model.{name}.bias"), vec![weight[0]]));
    };
    for name in
        ["pre_layrnorm", "post_layernorm", "encoder.layers.0.layer_norm1", "encoder.layers.0.layer_norm2"]
    {
        pair(name, &[WIDTH]);
    }
    for part in ["q_proj", "k_proj", "v_proj", "out_proj"] {
        pair(&format!("encoder.layers.0.self_attn.{part}"), &[WIDTH, WIDTH]);
    }
    pair("encoder.layers.0.mlp.fc1", &[10, WIDTH]);
    pair("encoder.layers.0.mlp.fc2", &[WIDTH, 10]);
    let arrays: Vec<(String, Vec<usize>, Vec<u8>)> = shapes
        .into_iter()
        .enumerate()
        .map(|(at, (name, shape))| {
            let n: usize = shape.iter().product();
            let values: Vec<f32> = (0..n).map(|i| ((i * 7 + at * 13) as f32).sin()).collect();
            (name, shape, floats(&values))
        })
        .collect();
    let views = arrays.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    fs::create_dir_all(folder).unwrap();
    let weights = safetensors::serialize(views.collect::<Vec<_>>(), None).unwrap();
    fs::write(folder.join("model.safetensors"), weights).unwrap();
    let config = json!({
        "model_type": "clip_vision_model", "hidden_size": WIDTH, "intermediate_size": 10, "num_hidden_layers": 1,
        "num_attention_heads": 2, "image_size": 8, "patch_size": 4, "projection_dim": 6
    });
    fs::write(folder.join("config.json"), config.to_string()).unwrap();
}

#[test]
fn pictures_become_vectors_broken_ones_are_named_and_the_cache_is_used() {
    let folder = dataset("pictures");
    model(&folder.join("tiny"));
    let pictures = folder.join("pictures");
    fs::create_dir_all(&pictures).unwrap();
    let paint = |name: &str, red: u8| {
        let picture =
            image::RgbImage::from_fn(20, 12, |x, y| image::Rgb([red, (x * 9) as u8, (y * 20) as u8]));
        picture.save(pictures.join(name)).unwrap();
    };
    paint("a.png", 0);
    paint("b.png", 250);
    fs::copy(pictures.join("a.png"), pictures.join("z.png")).unwrap(); // of no item
    fs::write(pictures.join("c.png"), b"no picture").unwrap();
    let encode = |arguments: &str| -> Value {
        let mut command =
            folder.segue(&format!("--json encode data --modality image --model tiny --files {arguments}"));
        let output = command.env("SEGUE_HOME", folder.join("home")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let told = encode("pictures");
    let count = |told: &Value, name: &str| told["figures"][name].as_u64().unwrap();
    assert_eq!((count(&told, "n_files"), count(&told, "n_broken"), count(&told, "n_cached")), (3, 1, 0));
    assert_eq!((count(&told, "n_without"), count(&told, "n_of_no_item"), count(&told, "dim")), (2, 1, 6));
    let broken = &told["figures"]["broken"][0];
    assert!(broken["file"].as_str().unwrap().ends_with("c.png"), "{broken}");
    assert!(broken["reason"].as_str().unwrap().contains("PNG, JPEG and WebP"), "{broken}");
    let first = stored(&folder, "image");
    let lengths: Vec<f32> = first.chunks_exact(6).map(|v| v.iter().map(|x| x * x).sum::<f32>()).collect();
    assert_eq!(lengths.iter().filter(|length| (**length - 1.0).abs() < 1e-5).count(), 2, "{lengths:?}");
    assert_eq!(lengths.iter().filter(|length| **length == 0.0).count(), 2, "{lengths:?}");
    assert_eq!(count(&encode("pictures"), "n_cached"), 2, "nothing is encoded twice");
    assert_eq!(stored(&folder, "image"), first);
    // The same by a table, and only what is in it.
    fs::write(folder.join("files.csv"), "item,path\na,pictures/a.png\n").unwrap();
    let told = encode("files.csv");
    assert_eq!((count(&told, "n_files"), count(&told, "n_cached"), count(&told, "n_without")), (1, 1, 3));
}
