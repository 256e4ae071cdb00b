// SPDX-License-Identifier: Apache-2.0
//! What lies between Rust and the ABI: failures become a status and a text, and no panic leaves.

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

/// Cuts `text` to the caller's buffer, between characters.
unsafe fn report(error: *mut Error, text: &str) {
    if error.is_null() || (*error).text.is_null() || (*error).text_size == 0 {
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

/// The shape of a float32 view on the CPU without gaps; refuses every other.
pub unsafe fn contiguous_floats(view: &TensorView, ndim: usize) -> Result<Vec<usize>, Failure> {
    if view.device.kind != DEVICE_CPU || view.dtype != (Dtype { code: DTYPE_FLOAT, bits: 32, lanes: 1 }) {
        return Err(failure(UNSUPPORTED, "a prediction is not float32 in the CPU's memory"));
    }
    if view.ndim as usize != ndim {
        let text = format!("a prediction has {} dimensions, expected {}", view.ndim, ndim);
        return Err(failure(INVALID_ARGUMENT, text));
    }
    let sizes = slice(view.shape, ndim as u64);
    let strides = slice(view.strides, ndim as u64);
    let mut expected = 1;
    for d in (0..ndim).rev() {
        if sizes[d] != 1 && strides[d] != expected {
            return Err(failure(UNSUPPORTED, "a prediction has gaps between its elements"));
        }
        expected *= sizes[d];
    }
    Ok(sizes.iter().map(|&size| size as usize).collect())
}
