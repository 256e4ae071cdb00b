// SPDX-License-Identifier: Apache-2.0
//! What lies between Rust and the ABI: what the host sends is looked at before it is read, failures become a status and a
//! text, and no panic leaves.

use std::panic::{catch_unwind, AssertUnwindSafe};

use crate::abi::*;

pub enum Failure {
    Own(Status, String),
    /// Of a function that was called with the caller's own error: its text is there already.
    PassedOn(Status),
}

pub fn failure(status: Status, text: impl Into<String>) -> Failure {
    Failure::Own(status, text.into())
}

pub fn passed_on(status: Status) -> Result<(), Failure> {
    if status == OK {
        Ok(())
    } else {
        Err(Failure::PassedOn(status))
    }
}

/// A struct that the host filled, to be read. A later host's may be longer than it is known here, and none is shorter than
/// it was in 0.2, where `last` was its last field. A flag that must be understood and is not among `known` is refused,
/// never guessed at: it says that something in the struct means something else.
macro_rules! sent {
    ($pointer:expr, $last:ident, $known:expr, $what:expr) => {{
        let pointer = $pointer;
        if pointer.is_null() || !has!(pointer, $last) {
            Err($crate::wall::failure(INVALID_ARGUMENT, concat!($what, " is not there, or shorter than in ABI 0.2")))
        } else {
            $crate::wall::check_flags((*pointer).flags & FLAGS_MUST & !$known, $what).map(|()| &*pointer)
        }
    }};
}
pub(crate) use sent;

pub fn check_flags(unknown: u32, what: &str) -> Result<(), Failure> {
    if unknown == 0 {
        return Ok(());
    }
    Err(failure(UNSUPPORTED, format!("{} has flags {:#x}, which largest_part does not know", what, unknown)))
}

/// Cuts `text` to the caller's buffer, between characters. The caller may want no text.
unsafe fn report(error: *mut Error, text: &str) {
    if error.is_null() || !has!(error, text) || (*error).text.is_null() || (*error).text_size == 0 {
        return;
    }
    let mut length = text.len().min((*error).text_size as usize - 1);
    while !text.is_char_boundary(length) {
        length -= 1;
    }
    std::ptr::copy_nonoverlapping(text.as_ptr(), (*error).text.cast(), length);
    *(*error).text.add(length) = 0;
}

/// Runs the body of a function of the ABI.
pub unsafe fn guard(error: *mut Error, body: impl FnOnce() -> Result<(), Failure>) -> Status {
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(())) => OK,
        Ok(Err(Failure::PassedOn(status))) => status,
        Ok(Err(Failure::Own(status, text))) => {
            report(error, &text);
            status
        }
        Err(_) => {
            report(error, "largest_part panicked; the panic's message is on stderr");
            FAILED
        }
    }
}

/// `n` elements; `pointer` may be NULL when there are none, which Rust's slices do not take.
pub unsafe fn slice<'a, T>(pointer: *const T, n: u64) -> &'a [T] {
    if n == 0 {
        &[]
    } else {
        std::slice::from_raw_parts(pointer, n as usize)
    }
}

/// The shape of a contiguous float32 view on the CPU; refuses every other.
pub unsafe fn contiguous_floats(view: &TensorView, ndim: usize) -> Result<Vec<usize>, Failure> {
    if view.device.kind != DEVICE_CPU || view.dtype != (Dtype { code: DTYPE_FLOAT, bits: 32, lanes: 1 }) {
        return Err(failure(UNSUPPORTED, "a prediction is not float32 in the CPU's memory"));
    }
    if view.ndim as usize != ndim {
        let text = format!("a prediction has {} dimensions, expected {}", view.ndim, ndim);
        return Err(failure(INVALID_ARGUMENT, text));
    }
    if view.strides.is_null() || view.byte_offset != 0 {
        return Err(failure(INVALID_ARGUMENT, "the view of a prediction is not canonical (strides, byte_offset 0)"));
    }
    let sizes = slice(view.shape, ndim as u64);
    let strides = slice(view.strides, ndim as u64);
    let mut expected = 1;
    for d in (0..ndim).rev() {
        if expected > 0 && sizes[d] > 1 && strides[d] != expected {
            return Err(failure(INVALID_ARGUMENT, "a prediction has gaps between its elements"));
        }
        expected *= sizes[d];
    }
    Ok(sizes.iter().map(|&size| size as usize).collect())
}
