// SPDX-License-Identifier: Apache-2.0
//! Connected parts of a plane: union-find in two passes over the rows, corners connect.

/// Why a plane was not finished.
#[derive(Debug)]
pub enum Stop {
    Cancelled,
    OutOfMemory,
}

/// Rows between two looks at whether the caller wants to stop.
const ROWS_AT_ONCE: usize = 64;

/// The next smaller number. Not 0: on a coarse grid that is resized later, a hole would eat into what stays beside it.
fn just_under(threshold: f32) -> f32 {
    f32::from_bits(threshold.to_bits() - 1)
}

/// What a plane of a certain size needs beside its pixels; used again for the next.
#[derive(Default)]
pub struct Workspace {
    parent: Vec<u32>,
    size: Vec<u32>,
}

impl Workspace {
    /// Memory that runs out is the caller's to know, and not the end of the process.
    fn fit(&mut self, pixels: usize) -> Result<(), Stop> {
        for numbers in [&mut self.parent, &mut self.size] {
            numbers.clear();
            numbers.try_reserve_exact(pixels).map_err(|_| Stop::OutOfMemory)?;
            numbers.resize(pixels, 0);
        }
        Ok(())
    }

    fn root(&mut self, mut pixel: usize) -> usize {
        while self.parent[pixel] as usize != pixel {
            self.parent[pixel] = self.parent[self.parent[pixel] as usize];
            pixel = self.parent[pixel] as usize;
        }
        pixel
    }

    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.parent[a.max(b)] = a.min(b) as u32;
    }

    /// Presses every pixel of `plane` that is at least `threshold`, a positive number, and not in the largest part of
    /// such pixels to just under it. Of parts that are equally large the first, row by row, stays. NaN belongs to none.
    pub fn keep_largest(
        &mut self,
        plane: &mut [f32],
        width: usize,
        threshold: f32,
        stopped: &dyn Fn() -> bool,
    ) -> Result<(), Stop> {
        assert!(plane.len() <= u32::MAX as usize, "a plane of {} pixels", plane.len());
        self.fit(plane.len())?;
        for (y, row) in plane.chunks_exact(width).enumerate() {
            if y % ROWS_AT_ONCE == 0 && stopped() {
                return Err(Stop::Cancelled);
            }
            for (x, value) in row.iter().enumerate() {
                let here = y * width + x;
                if !(*value >= threshold) {
                    continue;
                }
                self.parent[here] = here as u32;
                if x > 0 && row[x - 1] >= threshold {
                    self.join(here, here - 1);
                }
                if y > 0 {
                    for above in x.saturating_sub(1)..(x + 2).min(width) {
                        if plane[here - width - x + above] >= threshold {
                            self.join(here, here - width - x + above);
                        }
                    }
                }
            }
        }
        for (pixel, value) in plane.iter().enumerate() {
            if *value >= threshold {
                let root = self.root(pixel);
                self.size[root] += 1;
            }
        }
        let largest = self.size.iter().copied().max().unwrap_or(0);
        let kept = self.size.iter().position(|&size| size == largest);
        for (pixel, value) in plane.iter_mut().enumerate() {
            if *value >= threshold && Some(self.root(pixel)) != kept {
                *value = just_under(threshold);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same by flooding each part from its first pixel.
    fn by_flooding(plane: &[f32], width: usize, threshold: f32) -> Vec<f32> {
        let height = plane.len() / width;
        let mut seen = vec![false; plane.len()];
        let mut largest = Vec::new();
        for start in 0..plane.len() {
            let (mut part, mut queue) = (Vec::new(), vec![start]);
            while let Some(pixel) = queue.pop() {
                if seen[pixel] || !(plane[pixel] >= threshold) {
                    continue;
                }
                seen[pixel] = true;
                part.push(pixel);
                let (y, x) = ((pixel / width) as i64, (pixel % width) as i64);
                for (dy, dx) in (-1..2).flat_map(|dy| (-1..2).map(move |dx| (dy, dx))) {
                    if (0..height as i64).contains(&(y + dy)) && (0..width as i64).contains(&(x + dx)) {
                        queue.push(((y + dy) * width as i64 + x + dx) as usize);
                    }
                }
            }
            if part.len() > largest.len() {
                largest = part;
            }
        }
        (0..plane.len())
            .map(|p| if plane[p] >= threshold && !largest.contains(&p) { just_under(threshold) } else { plane[p] })
            .collect()
    }

    #[test]
    fn random_planes_come_out_as_by_flooding() {
        let mut state = 1u64;
        let mut workspace = Workspace::default();
        for (height, width) in [(1, 1), (1, 23), (17, 1), (8, 9), (40, 31), (2, 100)] {
            for share in [0.0, 0.2, 0.4, 0.5, 0.7, 1.0] {
                let mut plane: Vec<f32> = (0..height * width)
                    .map(|_| {
                        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                        let uniform = (state >> 40) as f32 / (1u64 << 24) as f32;
                        if uniform < share {
                            0.5 + uniform / 2.0
                        } else {
                            uniform / 2.0
                        }
                    })
                    .collect();
                plane[0] = f32::NAN;
                let expected = by_flooding(&plane, width, 0.5);
                workspace.keep_largest(&mut plane, width, 0.5, &|| false).unwrap();
                let same = plane.iter().zip(&expected).all(|(a, b)| a == b || (a.is_nan() && b.is_nan()));
                assert!(same, "{} x {}, share {}", height, width, share);
            }
        }
    }

    #[test]
    fn a_plane_is_left_when_the_caller_wants_to_stop() {
        let mut plane = vec![1.0; 100];
        let stopped = Workspace::default().keep_largest(&mut plane, 10, 0.5, &|| true);
        assert!(matches!(stopped, Err(Stop::Cancelled)));
    }
}
