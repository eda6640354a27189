//! One PNG that shows a slice of several volumes side by side, with the block grid over them.

use std::fs::File;
use std::io::{self, BufWriter};
use std::path::Path;

use ndarray::{Array2, ArrayView2, ArrayViewMut2, Slice};

/// A colour: red, green, blue.
pub(crate) type Rgb = [u8; 3];

/// Pictures get enlarged by a whole factor until a panel is at least this wide or high.
const WANTED_SIZE: usize = 480;
/// Pixels around and between the panels.
const GAP: usize = 12;
/// Pixels per dot of the letters.
const DOT: usize = 3;
/// Height of the strip above each panel that holds its title.
const TITLE_HEIGHT: usize = (LETTER_HEIGHT + 3) * DOT;
const BACKGROUND: Rgb = [24, 24, 28];
const TITLE_COLOUR: Rgb = [230, 230, 230];
const GRID_COLOUR: Rgb = [255, 196, 0];
/// How much of a grid line covers what is below, in 1/256.
const GRID_OPACITY: u32 = 90;

/// One slice with its title.
pub(crate) struct Panel {
    /// Letters a to z and spaces are drawn, anything else leaves a space.
    pub(crate) title: String,
    /// One colour per voxel.
    pub(crate) pixels: Array2<Rgb>,
}

impl Panel {
    /// A slice of brightness, 255 is white.
    pub(crate) fn grey(title: &str, slice: &ArrayView2<'_, u8>) -> Self {
        Self { title: title.to_owned(), pixels: slice.mapv(|v| [v; 3]) }
    }

    /// A slice of ids in colours that differ well; 0 is black.
    pub(crate) fn labels(title: &str, slice: &ArrayView2<'_, u64>) -> Self {
        Self { title: title.to_owned(), pixels: slice.mapv(label_colour) }
    }
}

/// Where block boundaries cut the slice, in voxels along its two axes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    /// The first boundary of each axis.
    pub(crate) first: [usize; 2],
    /// Voxels between boundaries; 0 draws none along this axis.
    pub(crate) step: [usize; 2],
}

/// Writes the panels side by side, titles above, grid over each.
///
/// # Errors
/// Whatever the file system says.
pub(crate) fn write_picture(path: &Path, panels: &[Panel], grid: &Grid) -> io::Result<()> {
    let picture = draw(panels, grid);
    let (height, width) = picture.dim();
    let too_large = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let width = u32::try_from(width).map_err(too_large)?;
    let height = u32::try_from(height).map_err(too_large)?;
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    let bytes: Vec<u8> = picture.iter().flatten().copied().collect();
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&bytes)?;
    writer.finish()?;
    Ok(())
}

/// All panels on one canvas.
fn draw(panels: &[Panel], grid: &Grid) -> Array2<Rgb> {
    let sizes = || panels.iter().map(|panel| panel.pixels.dim());
    let longest = sizes().map(|(height, width)| height.max(width)).max().unwrap_or(1).max(1);
    let scale = WANTED_SIZE.div_ceil(longest);
    let height = scale * sizes().map(|size| size.0).max().unwrap_or(0) + TITLE_HEIGHT + 2 * GAP;
    let width = GAP + sizes().map(|size| scale * size.1 + GAP).sum::<usize>();
    let mut canvas = Array2::from_elem([height, width], BACKGROUND);
    let mut left = GAP;
    for panel in panels {
        draw_title(&mut canvas, [GAP, left], &panel.title);
        draw_panel(&mut canvas, [GAP + TITLE_HEIGHT, left], &panel.pixels, scale);
        let corner = [GAP + TITLE_HEIGHT, left];
        draw_grid(&mut canvas, corner, panel.pixels.dim(), &grid.scaled(scale));
        left += scale * panel.pixels.ncols() + GAP;
    }
    canvas
}

/// Copies a slice, each voxel as a square of `scale` pixels, its low corner at `corner`.
fn draw_panel(canvas: &mut Array2<Rgb>, corner: [usize; 2], pixels: &Array2<Rgb>, scale: usize) {
    for ((row, column), colour) in pixels.indexed_iter() {
        let [top, left] = [corner[0] + row * scale, corner[1] + column * scale];
        part_mut(canvas, [top, left], [scale, scale]).fill(*colour);
    }
}

/// The part of the canvas that begins at `corner`.
fn part_mut(
    canvas: &mut Array2<Rgb>,
    corner: [usize; 2],
    size: [usize; 2],
) -> ArrayViewMut2<'_, Rgb> {
    canvas.slice_each_axis_mut(|axis| {
        let begin = corner[axis.axis.index()];
        Slice::from(begin..begin + size[axis.axis.index()])
    })
}

impl Grid {
    fn scaled(&self, scale: usize) -> ScaledGrid {
        ScaledGrid { grid: *self, scale }
    }
}

/// A grid in pixels.
struct ScaledGrid {
    grid: Grid,
    scale: usize,
}

impl ScaledGrid {
    /// Whether a line runs through this pixel of an axis: on the first pixel of a voxel.
    fn is_line(&self, axis: usize, pixel: usize) -> bool {
        let voxel = pixel / self.scale;
        let step = self.grid.step[axis];
        let beyond_first = voxel.checked_sub(self.grid.first[axis]);
        pixel.is_multiple_of(self.scale)
            && step > 0
            && beyond_first.is_some_and(|v| v.is_multiple_of(step))
    }
}

/// Blends the grid over a panel of `size` voxels.
fn draw_grid(
    canvas: &mut Array2<Rgb>,
    corner: [usize; 2],
    size: (usize, usize),
    grid: &ScaledGrid,
) {
    let [height, width] = [size.0 * grid.scale, size.1 * grid.scale];
    let mut panel = part_mut(canvas, corner, [height, width]);
    for ((row, column), pixel) in panel.indexed_iter_mut() {
        if grid.is_line(0, row) || grid.is_line(1, column) {
            *pixel = blend(*pixel, GRID_COLOUR, GRID_OPACITY);
        }
    }
}

/// `above` over `below`, with an opacity in 1/256.
fn blend(below: Rgb, above: Rgb, opacity: u32) -> Rgb {
    [0, 1, 2].map(|i| {
        let mixed = u32::from(below[i]) * (256 - opacity) + u32::from(above[i]) * opacity;
        (mixed / 256) as u8
    })
}

/// A saturated colour that depends on the id alone; neighbouring ids get distant hues.
fn label_colour(id: u64) -> Rgb {
    if id == 0 {
        return [0; 3];
    }
    let hash = (id ^ (id >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let hue = (hash >> 32) % 1536;
    let value = [255, 220, 190][(hash >> 16) as usize % 3];
    let floor = [0, 60, 120][(hash >> 8) as usize % 3];
    let ramp = (hue % 256) as u32;
    let corners = match hue / 256 {
        0 => [255, ramp, 0],
        1 => [255 - ramp, 255, 0],
        2 => [0, 255, ramp],
        3 => [0, 255 - ramp, 255],
        4 => [ramp, 0, 255],
        _ => [255, 0, 255 - ramp],
    };
    // Squeezes 0..=255 into floor..=value: paler and darker shades of the hue.
    corners.map(|c| (floor + c * (value - floor) / 255) as u8)
}

const LETTER_HEIGHT: usize = 5;
const LETTER_WIDTH: usize = 3;

/// The letters a to z: five rows of three dots, top row in the highest bits.
const LETTERS: [u16; 26] = [
    0b010_101_111_101_101,
    0b110_101_110_101_110,
    0b011_100_100_100_011,
    0b110_101_101_101_110,
    0b111_100_110_100_111,
    0b111_100_110_100_100,
    0b011_100_101_101_011,
    0b101_101_111_101_101,
    0b111_010_010_010_111,
    0b001_001_001_101_010,
    0b101_101_110_101_101,
    0b100_100_100_100_111,
    0b101_111_111_101_101,
    0b110_101_101_101_101,
    0b010_101_101_101_010,
    0b110_101_110_100_100,
    0b010_101_101_111_011,
    0b110_101_110_101_101,
    0b011_100_010_001_110,
    0b111_010_010_010_010,
    0b101_101_101_101_111,
    0b101_101_101_101_010,
    0b101_101_111_111_101,
    0b101_101_010_101_101,
    0b101_101_010_010_010,
    0b111_001_010_100_111,
];

/// Draws text from `corner` to the right; what does not fit on the canvas is cut off.
fn draw_title(canvas: &mut Array2<Rgb>, corner: [usize; 2], title: &str) {
    for (position, character) in title.chars().enumerate() {
        let letter = u32::from(character.to_ascii_lowercase()).wrapping_sub(u32::from('a'));
        let dots = LETTERS.get(letter as usize).copied().unwrap_or(0);
        let left = corner[1] + position * (LETTER_WIDTH + 1) * DOT;
        for row in 0..LETTER_HEIGHT * DOT {
            for column in 0..LETTER_WIDTH * DOT {
                let dot = row / DOT * LETTER_WIDTH + column / DOT;
                let is_set = dots >> (LETTER_HEIGHT * LETTER_WIDTH - 1 - dot) & 1 == 1;
                if let (true, Some(pixel)) =
                    (is_set, canvas.get_mut([corner[0] + row, left + column]))
                {
                    *pixel = TITLE_COLOUR;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(pixels: Array2<Rgb>) -> Panel {
        Panel { title: "a".to_owned(), pixels }
    }

    #[test]
    fn panels_stand_beside_each_other_with_the_grid_over_them() {
        let wide = WANTED_SIZE;
        let red = panel(Array2::from_elem([10, wide], [200, 0, 0]));
        let blue = panel(Array2::from_elem([8, wide], [0, 0, 200]));
        let grid = Grid { first: [2, 3], step: [4, 5] };
        let picture = draw(&[red, blue], &grid);
        assert_eq!(picture.dim(), (10 + TITLE_HEIGHT + 2 * GAP, 2 * wide + 3 * GAP));
        let top = GAP + TITLE_HEIGHT;
        assert_eq!(picture[[top, GAP]], [200, 0, 0]);
        assert_eq!(picture[[top + 2, GAP]], blend([200, 0, 0], GRID_COLOUR, GRID_OPACITY));
        assert_eq!(picture[[top + 3, GAP]], [200, 0, 0]);
        assert_eq!(picture[[top, GAP + 8]], blend([200, 0, 0], GRID_COLOUR, GRID_OPACITY));
        assert_eq!(picture[[top, 2 * GAP + wide]], [0, 0, 200]);
        assert_eq!(picture[[top + 9, 2 * GAP + wide]], BACKGROUND);
    }

    #[test]
    fn small_slices_are_enlarged_by_a_whole_factor() {
        let picture = draw(
            &[panel(Array2::from_elem([30, 100], [9; 3]))],
            &Grid { first: [0, 0], step: [0, 0] },
        );
        assert_eq!(picture.iter().filter(|p| **p == [9; 3]).count(), 30 * 100 * 25);
    }

    #[test]
    fn ids_have_distinct_colours_and_background_is_black() {
        assert_eq!(label_colour(0), [0; 3]);
        let colours: std::collections::BTreeSet<Rgb> = (1..=300).map(label_colour).collect();
        assert!(colours.len() > 290, "{} colours", colours.len());
        assert!(colours.iter().all(|c| c.iter().any(|v| *v > 150)));
    }

    #[test]
    fn a_written_picture_can_be_read_again() {
        let path = std::env::temp_dir().join(format!("daisy-picture-{}.png", std::process::id()));
        let panels = [panel(Array2::from_elem([5, 5], [1, 2, 3]))];
        let grid = Grid { first: [0, 0], step: [2, 2] };
        write_picture(&path, &panels, &grid).unwrap();
        let decoder = png::Decoder::new(io::BufReader::new(File::open(&path).unwrap()));
        let mut reader = decoder.read_info().unwrap();
        let mut bytes = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut bytes).unwrap();
        std::fs::remove_file(&path).unwrap();
        let expected: Vec<u8> = draw(&panels, &grid).iter().flatten().copied().collect();
        assert_eq!(bytes, expected);
    }
}
