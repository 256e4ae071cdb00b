// SPDX-License-Identifier: Apache-2.0
//! The part of Osteon's C ABI that a post-processor meets, written down from the headers in `<osteon/abi/>`; their
//! comments are the contract. `layout.c` and the tests below hold every number, size and offset against those headers.
#![allow(dead_code)]

use std::os::raw::{c_char, c_void};

pub const ABI_MAJOR: u32 = 0;
pub const ABI_MINOR: u32 = 1;
pub const ABI_VERSION: u32 = ABI_MAJOR << 16 | ABI_MINOR;

pub type Status = i32;
pub const OK: Status = 0;
pub const INVALID_ARGUMENT: Status = 1;
pub const UNSUPPORTED: Status = 2;
pub const OUT_OF_MEMORY: Status = 3;
pub const CANCELLED: Status = 5;
pub const FAILED: Status = 6;

pub const DEVICE_CPU: i32 = 1;
pub const DTYPE_FLOAT: u8 = 2;
pub const PARAM_FLOAT: u32 = 3;
pub const KIND_POSTPROCESSOR: u32 = 4;
pub const LABELS_MULTILABEL: u32 = 1;
pub const LABELS_MULTICLASS: u32 = 2;
pub const FORM_PROBABILITIES: u32 = 2;
pub const GRID_MODEL: u32 = 1;
pub const GRID_IMAGE: u32 = 2;
pub const POSTPROCESSOR_MAP: u32 = 1;
pub const SERVICE_RESAMPLE: &[u8] = b"osteon.resample/1\0";

pub const fn set(number: u32) -> u32 {
    1 << number
}

#[repr(C)]
pub struct Error {
    pub struct_size: u32,
    pub text_size: u32,
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

#[repr(C)]
pub struct Call {
    pub struct_size: u32,
    pub threads: u32,
    pub device: Device,
    pub stream: *mut c_void,
    pub host: *mut c_void,
    pub cancelled: unsafe extern "C" fn(*const Call) -> i32,
    pub time_left: unsafe extern "C" fn(*const Call) -> i64,
    pub progress: unsafe extern "C" fn(*const Call, f64),
    pub log: unsafe extern "C" fn(*const Call, i32, *const c_char),
    pub allocate: unsafe extern "C" fn(*const Call, Dtype, i32, *const i64, *mut Tensor, *mut Error) -> Status,
    pub scratch: unsafe extern "C" fn(*const Call, u64) -> *mut c_void,
    pub service: unsafe extern "C" fn(*const Call, *const c_char) -> *const c_void,
}
// All its functions are [any-thread].
unsafe impl Sync for Call {}

#[repr(C)]
pub struct Value {
    pub struct_size: u32,
    pub kind: u32,
    pub count: u64,
    pub ints: *const i64,
    pub floats: *const f64,
    pub strings: *const *const c_char,
    pub predictors: *const *const Predictor,
}

#[repr(C)]
pub struct ParamSpec {
    pub struct_size: u32,
    pub kind: u32,
    pub flags: u32,
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
    pub kind: u32,
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
}

#[repr(C)]
#[derive(Clone, Copy)]
pub struct PredictRequest {
    pub struct_size: u32,
    pub form: u32,
    pub grid: u32,
    pub scale: u32,
    pub n_classes: u64,
    pub classes: *const i32,
}

#[repr(C)]
pub struct Prediction {
    pub struct_size: u32,
    pub form: u32,
    pub flags: u32,
    pub reserved: u32,
    pub values: Tensor,
    pub to_image: [f64; 6],
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
    pub labels: u32,
    pub n_classes: i64,
    pub class_names: *const *const c_char,
    pub mirrored: *const i32,
}

#[repr(C)]
pub struct PostprocessorInfo {
    pub struct_size: u32,
    pub shape: u32,
    pub needs_forms: u32,
    pub needs_grids: u32,
    pub gives_forms: u32,
    pub gives_grids: u32,
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

/// A constant whose pointers lead to other constants alone, so that any thread may read it.
#[repr(transparent)]
pub struct Constant<T>(pub T);
unsafe impl<T> Sync for Constant<T> {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::CStr;
    use std::mem::{size_of, MaybeUninit};

    #[repr(C)]
    struct Fact {
        what: *const c_char,
        value: usize,
    }
    extern "C" {
        static osteon_facts: Fact; // the first of `osteon_n_facts`
        static osteon_n_facts: usize;
    }

    macro_rules! numbers {
        ($facts:ident, [$($name:ident),*]) => {
            $($facts.push((concat!("OSTEON_", stringify!($name)).to_string(), $name as usize));)*
        };
    }
    macro_rules! facts_of {
        ($facts:ident, $name:literal, $type:ty, [$($field:ident $(= $c_field:literal)?),*]) => {
            $facts.push(($name.to_string(), size_of::<$type>()));
            $({
                let place = MaybeUninit::<$type>::uninit();
                let field = unsafe { std::ptr::addr_of!((*place.as_ptr()).$field) } as usize;
                #[allow(unused_mut, unused_assignments)]
                let mut name = stringify!($field);
                $(name = $c_field;)?
                $facts.push((format!("{}.{}", $name, name), field - place.as_ptr() as usize));
            })*
        };
    }

    #[test]
    fn every_number_size_and_offset_is_that_of_the_headers() {
        let mut ours = Vec::new();
        numbers!(
            ours,
            [
                ABI_VERSION,
                OK,
                INVALID_ARGUMENT,
                UNSUPPORTED,
                OUT_OF_MEMORY,
                CANCELLED,
                FAILED,
                DEVICE_CPU,
                DTYPE_FLOAT,
                PARAM_FLOAT,
                KIND_POSTPROCESSOR,
                LABELS_MULTILABEL,
                LABELS_MULTICLASS,
                FORM_PROBABILITIES,
                GRID_MODEL,
                GRID_IMAGE,
                POSTPROCESSOR_MAP
            ]
        );
        facts_of!(ours, "osteon_error", Error, [text_size, text]);
        facts_of!(ours, "osteon_tensor_view", TensorView, [data, device, ndim, dtype, shape, strides, byte_offset]);
        facts_of!(ours, "osteon_tensor", Tensor, [flags, view, owner, release]);
        facts_of!(
            ours,
            "osteon_call",
            Call,
            [threads, device, stream, host, cancelled, time_left, progress, log, allocate, scratch, service]
        );
        facts_of!(ours, "osteon_value", Value, [kind = "type", count, ints, floats, strings, predictors]);
        facts_of!(
            ours,
            "osteon_param_spec",
            ParamSpec,
            [
                kind = "type",
                flags,
                reserved,
                name,
                doc,
                unit,
                default_value,
                minimum,
                maximum,
                min_count,
                max_count,
                n_choices,
                choices,
                n_aliases,
                aliases
            ]
        );
        facts_of!(
            ours,
            "osteon_component",
            Component,
            [
                kind, name, version, doc, reference, n_params, params, n_devices, devices, n_dtypes, dtypes, api,
                extension
            ]
        );
        facts_of!(ours, "osteon_plugin", Plugin, [abi_version, name, version, n_components, components]);
        facts_of!(ours, "osteon_image", Image, [flags, pixels, to_root, root]);
        facts_of!(ours, "osteon_predict_request", PredictRequest, [form, grid, scale, n_classes, classes]);
        facts_of!(ours, "osteon_prediction", Prediction, [form, flags, reserved, values, to_image]);
        facts_of!(
            ours,
            "osteon_predictor",
            Predictor,
            [flags, labels, reserved, n_classes, class_names, host, predict, gives_forms, gives_grids]
        );
        facts_of!(ours, "osteon_resample_service", ResampleService, [flags, convert]);
        facts_of!(
            ours,
            "osteon_postprocessor_request",
            PostprocessorRequest,
            [labels, n_classes, class_names, mirrored]
        );
        facts_of!(
            ours,
            "osteon_postprocessor_info",
            PostprocessorInfo,
            [shape, needs_forms, needs_grids, gives_forms, gives_grids]
        );
        facts_of!(ours, "osteon_postprocessor_api", PostprocessorApi, [flags, create, destroy, info, process]);

        let theirs: Vec<(String, usize)> = unsafe { std::slice::from_raw_parts(&osteon_facts, osteon_n_facts) }
            .iter()
            .map(|fact| (unsafe { CStr::from_ptr(fact.what) }.to_str().unwrap().to_string(), fact.value))
            .collect();
        assert_eq!(ours, theirs);
    }
}
