// SPDX-License-Identifier: Apache-2.0
//! A post-processor for Osteon in Rust: of every class, only the largest connected part stays. A bone is one piece;
//! what is found elsewhere is not that bone.

mod abi;
mod describe;
mod parts;
mod wall;

use std::sync::atomic::{AtomicBool, Ordering};

use abi::*;
use parts::{Stop, Workspace};
use wall::{failure, guard, passed_on, sent, Failure};

/// An instance. It does not change, so that any number of threads may use it.
struct LargestPart {
    threshold: f32,
    info: PostprocessorInfo,
}

impl LargestPart {
    unsafe fn new(values: *const *const Value, request: &PostprocessorRequest) -> Result<Self, Failure> {
        match request.labels {
            LABELS_MULTILABEL => {}
            LABELS_MULTICLASS => {
                let why = "largest_part takes pixels out of a class, and this data needs a class for every pixel";
                return Err(failure(UNSUPPORTED, why));
            }
            other => return Err(failure(UNSUPPORTED, format!("labels of kind {} are unknown", other))),
        }
        let threshold = describe::read_threshold(if values.is_null() { values.cast() } else { *values })?;
        let grids = set(GRID_MODEL) | set(GRID_IMAGE);
        let info = PostprocessorInfo {
            struct_size: std::mem::size_of::<PostprocessorInfo>() as u32,
            flags: 0,
            shape: POSTPROCESSOR_MAP,
            needs_forms: set(FORM_PROBABILITIES),
            needs_grids: grids,
            gives_forms: set(FORM_PROBABILITIES),
            gives_grids: grids,
            reserved: 0,
        };
        Ok(LargestPart { threshold: threshold as f32, info })
    }

    /// Changes probabilities [K, H, W] in place, a class at a time on each thread that the call grants.
    unsafe fn apply(&self, call: &Call, prediction: &mut Prediction) -> Result<(), Failure> {
        let view = &prediction.values.view;
        let shape = wall::contiguous_floats(view, 3)?;
        let (classes, pixels) = (shape[0], shape[1] * shape[2]);
        if classes * pixels == 0 {
            return Ok(());
        }
        let values = std::slice::from_raw_parts_mut(view.data as *mut f32, classes * pixels);
        let (cancelled, out_of_memory) = (AtomicBool::new(false), AtomicBool::new(false));
        let stopped = || (call.cancelled)(call) != 0;
        let work = |share: &mut [f32]| {
            let mut workspace = Workspace::default();
            for plane in share.chunks_exact_mut(pixels) {
                match workspace.keep_largest(plane, shape[2], self.threshold, &stopped) {
                    Ok(()) => {}
                    Err(Stop::Cancelled) => return cancelled.store(true, Ordering::Relaxed),
                    Err(Stop::OutOfMemory) => return out_of_memory.store(true, Ordering::Relaxed),
                }
            }
        };
        let threads = (call.threads as usize).clamp(1, classes);
        let share = (classes + threads - 1) / threads * pixels;
        if threads == 1 {
            work(values);
        } else {
            std::thread::scope(|scope| {
                for part in values.chunks_mut(share) {
                    scope.spawn(|| work(part));
                }
            });
        }
        if out_of_memory.into_inner() {
            return Err(failure(OUT_OF_MEMORY, "largest_part: no memory for the parts of a plane"));
        }
        if cancelled.into_inner() {
            return Err(failure(CANCELLED, "largest_part was asked to stop"));
        }
        Ok(())
    }

    /// As osteon_postprocessor_api.process, but that predictions may be left behind in a failure.
    unsafe fn process(
        &self,
        call: &Call,
        inner: &Predictor,
        images: &[*const Image],
        request: &PredictRequest,
        predictions: &[*mut Prediction],
        error: *mut Error,
    ) -> Result<(), Failure> {
        let given = |set_of: u32, number: u32| number < 32 && set_of & set(number) != 0;
        if !given(self.info.gives_forms, request.form) || !given(self.info.gives_grids, request.grid) {
            let what = format!("largest_part does not give form {} on grid {}", request.form, request.grid);
            return Err(failure(UNSUPPORTED, what));
        }
        // A request of its own: float32 alone, which this works in, and of flags the one that it answers to.
        let wanted = PredictRequest {
            struct_size: std::mem::size_of::<PredictRequest>() as u32,
            flags: request.flags & PREDICT_EACH,
            form: request.form,
            grid: request.grid,
            scale: request.scale,
            elements: 0,
            n_classes: request.n_classes,
            classes: request.classes,
        };
        let mut below = wanted;
        if !given(inner.gives_grids, request.grid) {
            // The image's grid does for the model's; the other way round the host resamples.
            below.grid = if request.grid == GRID_MODEL { GRID_IMAGE } else { GRID_MODEL };
        }
        let n = images.len() as u64;
        passed_on((inner.predict)(call, inner, n, images.as_ptr(), &below, predictions.as_ptr(), error))?;
        for (&image, &prediction) in images.iter().zip(predictions) {
            if sent!(prediction, error, 0, "a prediction")?.status != OK {
                continue; // an image that cannot be predicted, which the caller wanted to be told of by itself
            }
            if below.grid != request.grid && request.grid == GRID_IMAGE {
                let service = (call.service)(call, SERVICE_RESAMPLE.as_ptr().cast()).cast::<ResampleService>();
                if service.is_null() {
                    return Err(failure(UNSUPPORTED, "this host has no osteon.resample/1"));
                }
                let service = sent!(service, convert, 0, "the service osteon.resample/1")?;
                let size = sent!(image, spacing, 0, "an image")?.pixels.shape;
                let (height, width) = (*size, *size.add(1));
                passed_on((service.convert)(call, inner, &wanted, height, width, prediction, error))?;
            }
            self.apply(call, &mut *prediction)?;
        }
        Ok(())
    }
}

unsafe extern "C" fn create(
    call: *const Call,
    values: *const *const Value,
    request: *const PostprocessorRequest,
    out: *mut *mut Instance,
    error: *mut Error,
) -> Status {
    guard(error, || {
        sent!(call, note, 0, "the call")?;
        let request = sent!(request, mirrored, 0, "the request of a post-processor")?;
        let made = Box::new(LargestPart::new(values, request)?);
        *out = Box::into_raw(made).cast();
        Ok(())
    })
}

unsafe extern "C" fn destroy(instance: *mut Instance) {
    if !instance.is_null() {
        drop(Box::from_raw(instance.cast::<LargestPart>()));
    }
}

unsafe extern "C" fn info(instance: *const Instance) -> *const PostprocessorInfo {
    &(*instance.cast::<LargestPart>()).info
}

unsafe extern "C" fn process(
    call: *const Call,
    instance: *const Instance,
    inner: *const Predictor,
    n: u64,
    images: *const *const Image,
    request: *const PredictRequest,
    predictions: *const *mut Prediction,
    error: *mut Error,
) -> Status {
    let (images, predictions) = (wall::slice(images, n), wall::slice(predictions, n));
    let status = guard(error, || {
        let post = &*instance.cast::<LargestPart>();
        let call = sent!(call, note, 0, "the call")?;
        let inner = sent!(inner, gives_grids, 0, "the predictor within")?;
        let request = sent!(request, classes, PREDICT_EACH, "the request of a prediction")?;
        for &image in images {
            sent!(image, spacing, 0, "an image")?;
        }
        for &prediction in predictions {
            sent!(prediction, error, 0, "a prediction")?;
        }
        post.process(call, inner, images, request, predictions, error)
    });
    if status != OK {
        // Nothing changes hands in a failure: what came from below goes back.
        for &prediction in predictions {
            if prediction.is_null() || !has!(prediction, values) {
                continue;
            }
            if let Some(release) = (*prediction).values.release.take() {
                release(&mut (*prediction).values);
            }
        }
    }
    status
}
