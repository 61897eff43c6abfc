//! The bytes of a sound file to one channel of samples, with limits that are checked before memory is taken.

use std::io::Cursor;

use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error;
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSourceStream, MediaSourceStreamOptions};
use symphonia::core::meta::MetadataOptions;

use crate::media::MediaError;

/// Limits of a sound file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoundLimits {
    /// Bytes of the file; a larger one is refused.
    pub bytes: u64,
    /// Seconds that are heard; the rest of a longer file is not decoded.
    pub seconds: u32,
}

impl Default for SoundLimits {
    /// 256 MiB and the first two minutes.
    fn default() -> Self {
        Self { bytes: 256 << 20, seconds: 120 }
    }
}

/// Samples of one channel, between −1 and 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Sound {
    /// Samples a second.
    pub rate: u32,
    /// The samples.
    pub samples: Vec<f32>,
}

const SUPPORTED: &str = "WAV, FLAC, MP3 and Ogg Vorbis of 1 to 192 kHz are read";

fn undecodable(reason: impl std::fmt::Display) -> MediaError {
    MediaError::Undecodable { reason: reason.to_string(), supported: SUPPORTED }
}

/// Decodes WAV, FLAC, MP3 or Ogg Vorbis (known by what is in the file, not by its name); channels become their mean.
///
/// # Errors
/// When the file is over a limit, of another kind, broken before its first sample, or silent by having none.
pub fn decode_sound(bytes: Vec<u8>, limits: SoundLimits) -> Result<Sound, MediaError> {
    if bytes.len() as u64 > limits.bytes {
        return Err(MediaError::TooLarge {
            received: bytes.len() as u64,
            limit: limits.bytes,
            unit: "bytes",
        });
    }
    let stream = MediaSourceStream::new(Box::new(Cursor::new(bytes)), MediaSourceStreamOptions::default());
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut format =
        symphonia::default::get_probe().probe(&Hint::new(), stream, format, metadata).map_err(undecodable)?;
    let track = format.default_track(TrackType::Audio).ok_or_else(|| undecodable("it has no sound"))?;
    let codec = track.codec_params.as_ref().and_then(|codec| codec.audio());
    let codec = codec.ok_or_else(|| undecodable("it does not say how its sound is packed"))?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(codec, &AudioDecoderOptions::default())
        .map_err(undecodable)?;
    let track = track.id;
    let sound = samples(format.as_mut(), decoder.as_mut(), track, limits)?;
    if sound.samples.is_empty() {
        return Err(undecodable("it has no samples"));
    }
    Ok(sound)
}

fn samples(
    format: &mut dyn FormatReader,
    decoder: &mut dyn AudioDecoder,
    track: u32,
    limits: SoundLimits,
) -> Result<Sound, MediaError> {
    let mut sound = Sound { rate: 0, samples: Vec::new() };
    let mut interleaved: Vec<f32> = Vec::new();
    loop {
        let packet = match format.next_packet() {
            Ok(Some(packet)) if packet.track_id == track => packet,
            Ok(Some(_)) => continue,
            Ok(None) => return Ok(sound),
            // A file that is cut off keeps what came before.
            Err(_) if !sound.samples.is_empty() => return Ok(sound),
            Err(e) => return Err(undecodable(e)),
        };
        let buffer = match decoder.decode(&packet) {
            Ok(buffer) => buffer,
            // One packet is broken, the next may be whole.
            Err(Error::DecodeError(_)) => continue,
            Err(_) if !sound.samples.is_empty() => return Ok(sound),
            Err(e) => return Err(undecodable(e)),
        };
        let (rate, n_channels) = (buffer.spec().rate(), buffer.num_planes());
        if !(1_000..=192_000).contains(&rate) || n_channels == 0 {
            return Err(undecodable(format!("{n_channels} channels of {rate} samples a second")));
        }
        if sound.rate != 0 && sound.rate != rate {
            return Err(undecodable(format!("its rate changes from {} to {rate}", sound.rate)));
        }
        sound.rate = rate;
        interleaved.resize(buffer.samples_interleaved(), 0.0);
        buffer.copy_to_slice_interleaved(&mut interleaved);
        let scale = 1.0 / n_channels as f32;
        let most = limits.seconds as usize * rate as usize;
        let left = most.saturating_sub(sound.samples.len());
        // Samples beyond full scale, or that are no numbers, come from broken files only.
        let mean = |frame: &[f32]| (frame.iter().sum::<f32>() * scale).clamp(-8.0, 8.0);
        let finite = |x: f32| if x.is_finite() { x } else { 0.0 };
        sound
            .samples
            .extend(interleaved.chunks_exact(n_channels).take(left).map(|frame| finite(mean(frame))));
        if sound.samples.len() >= most {
            return Ok(sound);
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A WAV file of 16-bit samples.
    pub(crate) fn wav(rate: u32, n_channels: u16, samples: &[i16]) -> Vec<u8> {
        let n = 2 * samples.len() as u32;
        let mut bytes = b"RIFF".to_vec();
        bytes.extend((36 + n).to_le_bytes());
        bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0");
        bytes.extend(n_channels.to_le_bytes());
        bytes.extend(rate.to_le_bytes());
        bytes.extend((rate * 2 * u32::from(n_channels)).to_le_bytes());
        bytes.extend((2 * n_channels).to_le_bytes());
        bytes.extend(b"\x10\0data");
        bytes.extend(n.to_le_bytes());
        samples.iter().for_each(|sample| bytes.extend(sample.to_le_bytes()));
        bytes
    }

    #[test]
    fn channels_become_their_mean_and_long_files_are_heard_in_part() {
        let bytes = wav(8_000, 2, &[16_384, 0, -32_768, -32_768, 0, 8_192]);
        let sound = decode_sound(bytes, SoundLimits::default()).unwrap();
        assert_eq!((sound.rate, sound.samples), (8_000, vec![0.25, -1.0, 0.125]));
        let long = wav(1_000, 1, &[1; 5_000]);
        let limits = SoundLimits { seconds: 2, ..SoundLimits::default() };
        assert_eq!(decode_sound(long.clone(), limits).unwrap().samples.len(), 2_000);
        let limits = SoundLimits { bytes: 100, ..limits };
        assert!(decode_sound(long, limits).unwrap_err().to_string().contains("bytes"));
    }

    #[test]
    fn broken_files_are_refused_with_the_reason() {
        let whole = wav(8_000, 1, &[5; 100]);
        for bytes in
            [Vec::new(), b"RIFF".to_vec(), whole[..44].to_vec(), vec![0xff; 4_000], wav(8_000, 1, &[])]
        {
            let error = decode_sound(bytes, SoundLimits::default()).unwrap_err().to_string();
            assert!(error.contains("WAV, FLAC, MP3"), "{error}");
        }
        let cut =
            decode_sound(whole[..144].to_vec(), SoundLimits::default()).map(|sound| sound.samples.len());
        assert!(cut.is_ok_and(|n| n <= 50), "what is there is kept");
    }
}
