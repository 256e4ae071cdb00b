// SPDX-License-Identifier: Apache-2.0
//! The part of Osteon's C ABI 0.2 that a post-processor meets, written down from the headers in `<osteon/abi/>`; their
//! comments are the contract. Sizes are pinned below; `layout.c` and the test hold every number, size and offset against
//! those headers. Later headers only append, so that this file stays right.
#![allow(dead_code)]

use std::mem::size_of;
use std::os::raw::{c_char, c_void};

pub const ABI_MAJOR: u32 = 0;
pub const ABI_MINOR: u32 = 2;
/// What is written down here, and so what the plugin is of: nothing of it came later.
pub const ABI_VERSION: u32 = ABI_MAJOR << 16 | ABI_MINOR;

pub type Status = i32;
pub const OK: Status = 0;
pub const INVALID_ARGUMENT: Status = 1;
pub const UNSUPPORTED: Status = 2;
pub const OUT_OF_MEMORY: Status = 3;
pub const CANCELLED: Status = 5;
pub const FAILED: Status = 6;
pub const BAD_INPUT: Status = 7;

/// Bits of any `flags` that must be understood; the others may be passed over.
pub const FLAGS_MUST: u32 = 0x0000_ffff;

pub const DEVICE_CPU: i32 = 1;
pub const DTYPE_FLOAT: u8 = 2;
pub const PARAM_FLOAT: u32 = 3;
pub const KIND_POSTPROCESSOR: u32 = 4;
pub const LABELS_MULTILABEL: u32 = 1;
pub const LABELS_MULTICLASS: u32 = 2;
pub const FORM_PROBABILITIES: u32 = 2;
pub const GRID_MODEL: u32 = 1;
pub const GRID_IMAGE: u32 = 2;
pub const PREDICT_EACH: u32 = 1;
pub const POSTPROCESSOR_MAP: u32 = 1;
pub const SERVICE_RESAMPLE: &[u8] = b"osteon.resample/1\0";

pub const fn set(number: u32) -> u32 {
    1 << number
}

/// Whether the struct behind a pointer, which the host filled, is long enough to hold a field: how a field is asked for
/// that came after 0.2.
macro_rules! has {
    ($pointer:expr, $field:ident) => {{
        let pointer = $pointer;
        let behind = std::ptr::addr_of!((*pointer).$field).add(1) as usize;
        behind - pointer as usize <= (*pointer).struct_size as usize
    }};
}
pub(crate) use has;

#[repr(C)]
pub struct Error {
    pub struct_size: u32,
    pub flags: u32,
    pub text_size: u32,
    pub reserved: u32,
    pub text: *mut c_char,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub struct Device {
    pub kind: i32,
    pub id: i32,
}

#[repr(C)]
#[derive(Clone, Copy, PartialEq)]
pub struct Dtype {
    pub code: u8,
    pub bits: u8,
    pub lanes: u16,
}

#[repr(C)]
pub struct TensorView {
    pub data: *mut c_void,
    pub device: Device,
    pub ndim: i32,
    pub dtype: Dtype,
    pub shape: *mut i64,
    pub strides: *mut i64,
    pub byte_offset: u64,
}

#[repr(C)]
pub struct Tensor {
    pub struct_size: u32,
    pub flags: u32,
    pub view: TensorView,
    pub owner: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut Tensor)>,
}

/// What `derive` takes; this plugin derives no call.
pub enum CallOptions {}

#[repr(C)]
pub struct Call {
    pub struct_size: u32,
    pub flags: u32,
    pub threads: u32,
    pub reserved: u32,
    pub device: Device,
    pub stream: *mut c_void,
    pub host: *mut c_void,
    pub cancelled: unsafe extern "C" fn(*const Call) -> i32,
    pub time_left: unsafe extern "C" fn(*const Call) -> i64,
    pub progress: unsafe extern "C" fn(*const Call, f64),
    pub log: unsafe extern "C" fn(*const Call, i32, *const c_char),
    pub allocate: unsafe extern "C" fn(*const Call, u32, Dtype, i32, *const i64, *mut Tensor, *mut Error) -> Status,
    pub scratch: unsafe extern "C" fn(*const Call, u64) -> *mut c_void,
    pub service: unsafe extern "C" fn(*const Call, *const c_char) -> *const c_void,
    pub derive: unsafe extern "C" fn(*const Call, *const CallOptions, *mut *const Call, *mut Error) -> Status,
    pub end: unsafe extern "C" fn(*const Call),
    pub note: unsafe extern "C" fn(*const Call, *const c_char, *const c_char, *const c_char),
}
// All its functions are [any-thread].
unsafe impl Sync for Call {}

#[repr(C)]
pub struct Value {
    pub struct_size: u32,
    pub flags: u32,
    pub kind: u32,
    pub reserved: u32,
    pub count: u64,
    pub ints: *const i64,
    pub floats: *const f64,
    pub strings: *const *const c_char,
    pub predictors: *const *const Predictor,
}

#[repr(C)]
pub struct ParamSpec {
    pub struct_size: u32,
    pub flags: u32,
    pub kind: u32,
    pub reserved: u32,
    pub name: *const c_char,
    pub doc: *const c_char,
    pub unit: *const c_char,
    pub default_value: *const Value,
    pub minimum: f64,
    pub maximum: f64,
    pub min_count: u64,
    pub max_count: u64,
    pub n_choices: u64,
    pub choices: *const *const c_char,
    pub n_aliases: u64,
    pub aliases: *const *const c_char,
}

#[repr(C)]
pub struct Component {
    pub struct_size: u32,
    pub flags: u32,
    pub kind: u32,
    pub reserved: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub doc: *const c_char,
    pub reference: *const c_char,
    pub n_params: u64,
    pub params: *const *const ParamSpec,
    pub n_devices: u64,
    pub devices: *const i32,
    pub n_dtypes: u64,
    pub dtypes: *const Dtype,
    pub api: *const c_void,
    pub extension: Option<unsafe extern "C" fn(*const c_char) -> *const c_void>,
}

#[repr(C)]
pub struct Plugin {
    pub struct_size: u32,
    pub abi_version: u32,
    pub flags: u32,
    pub reserved: u32,
    pub name: *const c_char,
    pub version: *const c_char,
    pub n_components: u64,
    pub components: *const *const Component,
}

#[repr(C)]
pub struct Image {
    pub struct_size: u32,
    pub flags: u32,
    pub pixels: TensorView,
    pub to_root: [f64; 6],
    pub root: *const c_char,
    pub digest: *const u8,
    pub spacing: [f64; 2],
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PredictRequest {
    pub struct_size: u32,
    pub flags: u32,
    pub form: u32,
    pub grid: u32,
    pub scale: u32,
    pub elements: u32,
    pub n_classes: u64,
    pub classes: *const i32,
}

#[repr(C)]
pub struct Prediction {
    pub struct_size: u32,
    pub flags: u32,
    pub form: u32,
    pub status: Status,
    pub values: Tensor,
    pub to_image: [f64; 6],
    pub error: *mut Error,
}

#[repr(C)]
pub struct Predictor {
    pub struct_size: u32,
    pub flags: u32,
    pub labels: u32,
    pub reserved: u32,
    pub n_classes: i64,
    pub class_names: *const *const c_char,
    pub host: *mut c_void,
    pub predict: unsafe extern "C" fn(
        *const Call,
        *const Predictor,
        u64,
        *const *const Image,
        *const PredictRequest,
        *const *mut Prediction,
        *mut Error,
    ) -> Status,
    pub gives_forms: u32,
    pub gives_grids: u32,
}

#[repr(C)]
pub struct ResampleService {
    pub struct_size: u32,
    pub flags: u32,
    pub convert: unsafe extern "C" fn(
        *const Call,
        *const Predictor,
        *const PredictRequest,
        i64,
        i64,
        *mut Prediction,
        *mut Error,
    ) -> Status,
}

#[repr(C)]
pub struct PostprocessorRequest {
    pub struct_size: u32,
    pub flags: u32,
    pub labels: u32,
    pub reserved: u32,
    pub n_classes: i64,
    pub class_names: *const *const c_char,
    pub mirrored: *const i32,
}

#[repr(C)]
pub struct PostprocessorInfo {
    pub struct_size: u32,
    pub flags: u32,
    pub shape: u32,
    pub needs_forms: u32,
    pub needs_grids: u32,
    pub gives_forms: u32,
    pub gives_grids: u32,
    pub reserved: u32,
}

/// An instance: the host sees a pointer alone.
pub enum Instance {}

#[repr(C)]
pub struct PostprocessorApi {
    pub struct_size: u32,
    pub flags: u32,
    pub create: unsafe extern "C" fn(
        *const Call,
        *const *const Value,
        *const PostprocessorRequest,
        *mut *mut Instance,
        *mut Error,
    ) -> Status,
    pub destroy: unsafe extern "C" fn(*mut Instance),
    pub info: unsafe extern "C" fn(*const Instance) -> *const PostprocessorInfo,
    pub process: unsafe extern "C" fn(
        *const Call,
        *const Instance,
        *const Predictor,
        u64,
        *const *const Image,
        *const PredictRequest,
        *const *mut Prediction,
        *mut Error,
    ) -> Status,
}

/// No host and no plugin sends less than a struct had in the version that brought it, here 0.2 (`sizes.h`).
macro_rules! pinned {
    ($($name:ident $size:literal),* $(,)?) => { $(const _: () = assert!(size_of::<$name>() == $size);)* };
}
pinned!(
    Error 24,
    TensorView 48,
    Tensor 72,
    Call 120,
    Value 56,
    ParamSpec 112,
    Component 112,
    Plugin 48,
    Image 136,
    PredictRequest 40,
    Prediction 144,
    Predictor 56,
    ResampleService 16,
    PostprocessorRequest 40,
    PostprocessorInfo 32,
    PostprocessorApi 40,
);

/// A constant whose pointers lead to other constants alone, so that any thread may read it.
#[repr(transparent)]
pub struct Constant<T>(pub T);
unsafe impl<T> Sync for Constant<T> {}

#[cfg(test)]
#[path = "abi_test.rs"]
mod tests;
