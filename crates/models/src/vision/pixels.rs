//! From a picture of any size to the numbers that a network reads.

use ::image::RgbImage;
use ::image::imageops::{FilterType, crop_imm, resize};

/// How a network wants its pictures.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelRule {
    /// The shorter side is resized to this.
    pub short_side: u32,
    /// The square that is cut from the middle.
    pub side: u32,
    /// How it is resized; both look at all pixels that become one.
    pub filter: PixelFilter,
    /// Subtracted, per channel, of values between 0 and 1.
    pub mean: [f32; 3],
    /// Divided by, per channel.
    pub deviation: [f32; 3],
}

/// How pictures are resized.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PixelFilter {
    /// Linear.
    Linear,
    /// Cubic (Catmull and Rom), as Pillow's bicubic.
    Cubic,
}

impl PixelRule {
    /// Appends the numbers of one picture, `[side, side, 3]`.
    pub fn append(&self, picture: &RgbImage, to: &mut Vec<f32>) {
        let (width, height) = picture.dimensions();
        let short = u64::from(width.min(height).max(1));
        // A picture that is a line stays drawable: no side is below the square's, none grows beyond 16 times it.
        let long = |side: u32| {
            let scaled = (u64::from(side) * u64::from(self.short_side) / short) as u32;
            scaled.clamp(self.side.max(self.short_side), 16 * self.short_side)
        };
        let filter = match self.filter {
            PixelFilter::Linear => FilterType::Triangle,
            PixelFilter::Cubic => FilterType::CatmullRom,
        };
        let size = (long(width), long(height));
        let resized =
            if size == (width, height) { picture.clone() } else { resize(picture, size.0, size.1, filter) };
        let (left, top) = ((size.0 - self.side) / 2, (size.1 - self.side) / 2);
        let square = crop_imm(&resized, left, top, self.side, self.side).to_image();
        let scale: [f32; 3] = self.deviation.map(|deviation| 1.0 / (255.0 * deviation));
        let shift = [0, 1, 2].map(|at| -self.mean[at] / self.deviation[at]);
        for pixel in square.pixels() {
            to.extend([0, 1, 2].map(|at| f32::from(pixel.0[at]).mul_add(scale[at], shift[at])));
        }
    }
}

#[cfg(test)]
mod tests {
    use ::image::Rgb;

    use super::*;

    const RULE: PixelRule = PixelRule {
        short_side: 8,
        side: 6,
        filter: PixelFilter::Linear,
        mean: [0.5; 3],
        deviation: [0.5; 3],
    };

    #[test]
    fn the_middle_of_a_picture_is_kept_and_scaled_to_one() {
        // 16 by 8: no resizing; the square is columns 5 to 10 and rows 1 to 6.
        let picture = RgbImage::from_fn(16, 8, |x, y| Rgb([x as u8, y as u8, 255]));
        let mut values = Vec::new();
        RULE.append(&picture, &mut values);
        assert_eq!(values.len(), 6 * 6 * 3);
        let expected = [5.0 / 127.5 - 1.0, 1.0 / 127.5 - 1.0, 1.0];
        assert!(values.iter().zip(expected).all(|(x, y)| (x - y).abs() < 1e-6), "{:?}", &values[..3]);
    }

    #[test]
    fn any_shape_gives_a_square() {
        for (width, height) in [(1, 1), (1, 5000), (5000, 1), (7, 300), (13, 11)] {
            let mut values = Vec::new();
            RULE.append(&RgbImage::from_pixel(width, height, Rgb([255; 3])), &mut values);
            assert_eq!(values.len(), 108);
            assert!(values.iter().all(|value| (value - 1.0).abs() < 1e-5), "{width} by {height}");
        }
    }
}
