//! The bytes of a picture file to RGB, with limits that are checked before memory is taken.

use std::io::Cursor;

use ::image::{DynamicImage, ImageDecoder, ImageReader, Limits, RgbImage};

use crate::media::MediaError;

/// Limits of a picture file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PictureLimits {
    /// Bytes of the file.
    pub bytes: u64,
    /// Width times height.
    pub pixels: u64,
}

impl Default for PictureLimits {
    /// 64 MiB and 64 million pixels.
    fn default() -> Self {
        Self { bytes: 64 << 20, pixels: 64_000_000 }
    }
}

const SUPPORTED: &str = "PNG, JPEG and WebP are read";

/// Decodes PNG, JPEG or WebP (known by its first bytes, not by its name): turned as its EXIF data says, on white where it
/// is transparent.
///
/// # Errors
/// When the file is over a limit, of another kind, or broken.
pub fn decode_picture(bytes: &[u8], limits: PictureLimits) -> Result<RgbImage, MediaError> {
    let undecodable =
        |e: &dyn std::fmt::Display| MediaError::Undecodable { reason: e.to_string(), supported: SUPPORTED };
    within(bytes.len() as u64, limits.bytes, "bytes")?;
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format().map_err(|e| undecodable(&e))?;
    let mut decoder = reader.into_decoder().map_err(|e| undecodable(&e))?;
    let (width, height) = decoder.dimensions();
    within(u64::from(width) * u64::from(height), limits.pixels, "pixels")?;
    if width == 0 || height == 0 {
        return Err(undecodable(&"it has no pixels"));
    }
    let mut room = Limits::default();
    // Eight bytes a pixel (16 bits, four channels), twice, for decoders that work in a buffer of their own.
    room.max_alloc = Some(16 * limits.pixels + (1 << 20));
    decoder.set_limits(room).map_err(|e| undecodable(&e))?;
    let orientation = decoder.orientation().map_err(|e| undecodable(&e))?;
    let mut picture = DynamicImage::from_decoder(decoder).map_err(|e| undecodable(&e))?;
    picture.apply_orientation(orientation);
    Ok(on_white(picture))
}

fn within(received: u64, limit: u64, unit: &'static str) -> Result<(), MediaError> {
    if received > limit { Err(MediaError::TooLarge { received, limit, unit }) } else { Ok(()) }
}

fn on_white(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let picture = picture.into_rgba8();
    let mut flat = RgbImage::new(picture.width(), picture.height());
    for (to, from) in flat.pixels_mut().zip(picture.pixels()) {
        let alpha = u32::from(from.0[3]);
        to.0 = [0, 1, 2].map(|at| ((u32::from(from.0[at]) * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    flat
}

#[cfg(test)]
mod tests {
    use ::image::{ImageFormat, Rgb, Rgba, RgbaImage};

    use super::*;

    fn png(picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
        bytes.into_inner()
    }

    #[test]
    fn transparent_pixels_become_white_and_half_transparent_ones_lighter() {
        let mut picture = RgbaImage::new(3, 1);
        picture.put_pixel(0, 0, Rgba([200, 0, 0, 255]));
        picture.put_pixel(1, 0, Rgba([200, 0, 0, 0]));
        picture.put_pixel(2, 0, Rgba([200, 0, 0, 128]));
        let decoded = decode_picture(&png(&picture.into()), PictureLimits::default()).unwrap();
        assert_eq!(
            decoded.pixels().collect::<Vec<_>>(),
            [&Rgb([200, 0, 0]), &Rgb([255; 3]), &Rgb([227, 127, 127])]
        );
    }

    #[test]
    fn files_over_a_limit_and_broken_ones_are_refused_with_the_reason() {
        let bytes = png(&RgbImage::new(40, 30).into());
        let refused = |bytes: &[u8], limits| decode_picture(bytes, limits).unwrap_err().to_string();
        let small = PictureLimits { pixels: 1199, ..PictureLimits::default() };
        assert!(refused(&bytes, small).contains("1200 pixels"), "{}", refused(&bytes, small));
        let short = PictureLimits { bytes: 20, ..PictureLimits::default() };
        assert!(refused(&bytes, short).contains("bytes"));
        // Sizes that the header only claims: 4 billion pixels in 45 bytes.
        let mut huge = bytes.clone();
        huge[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
        assert!(decode_picture(&huge, PictureLimits::default()).is_err());
        for broken in [&b""[..], b"GIF89a", &bytes[..bytes.len() / 2], &[0xff; 100]] {
            assert!(refused(broken, PictureLimits::default()).contains("PNG, JPEG and WebP"));
        }
    }
}
