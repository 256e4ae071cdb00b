// SPDX-License-Identifier: Apache-2.0
//! What is written down in abi.rs, held against what a C compiler says of the headers (layout.c).
use super::*;
use std::ffi::CStr;
use std::mem::MaybeUninit;

#[repr(C)]
struct Fact {
    what: *const c_char,
    value: usize,
}
extern "C" {
    static osteon_facts: Fact; // the first of `osteon_n_facts`
    static osteon_n_facts: usize;
    static osteon_headers_abi: u32;
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
fn a_field_is_there_when_the_struct_reaches_to_its_end() {
    let mut value = MaybeUninit::<Value>::zeroed();
    for (size, there) in [(0, false), (40, false), (47, false), (48, true), (56, true), (64, true)] {
        unsafe {
            (*value.as_mut_ptr()).struct_size = size;
            assert_eq!(has!(value.as_ptr(), strings), there, "{}", size);
        }
    }
}

#[test]
fn every_number_and_offset_is_that_of_the_headers_and_no_struct_is_longer() {
    let mut ours = Vec::new();
    numbers!(
        ours,
        [
            OK,
            INVALID_ARGUMENT,
            UNSUPPORTED,
            OUT_OF_MEMORY,
            CANCELLED,
            FAILED,
            BAD_INPUT,
            FLAGS_MUST,
            DEVICE_CPU,
            DTYPE_FLOAT,
            PARAM_FLOAT,
            KIND_POSTPROCESSOR,
            LABELS_MULTILABEL,
            LABELS_MULTICLASS,
            FORM_PROBABILITIES,
            GRID_MODEL,
            GRID_IMAGE,
            PREDICT_EACH,
            POSTPROCESSOR_MAP
        ]
    );
    facts_of!(ours, "osteon_error", Error, [flags, text_size, reserved, text]);
    facts_of!(ours, "osteon_tensor_view", TensorView, [data, device, ndim, dtype, shape, strides, byte_offset]);
    facts_of!(ours, "osteon_tensor", Tensor, [flags, view, owner, release]);
    facts_of!(
        ours,
        "osteon_call",
        Call,
        [
            flags, threads, reserved, device, stream, host, cancelled, time_left, progress, log, allocate, scratch,
            service, derive, end, note
        ]
    );
    facts_of!(ours, "osteon_value", Value, [flags, kind = "type", reserved, count, ints, floats, strings, predictors]);
    facts_of!(
        ours,
        "osteon_param_spec",
        ParamSpec,
        [
            flags,
            kind = "type",
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
            flags, kind, reserved, name, version, doc, reference, n_params, params, n_devices, devices, n_dtypes,
            dtypes, api, extension
        ]
    );
    facts_of!(ours, "osteon_plugin", Plugin, [abi_version, flags, reserved, name, version, n_components, components]);
    facts_of!(ours, "osteon_image", Image, [flags, pixels, to_root, root, digest, spacing]);
    facts_of!(ours, "osteon_predict_request", PredictRequest, [flags, form, grid, scale, elements, n_classes, classes]);
    facts_of!(ours, "osteon_prediction", Prediction, [flags, form, status, values, to_image, error]);
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
        [flags, labels, reserved, n_classes, class_names, mirrored]
    );
    facts_of!(
        ours,
        "osteon_postprocessor_info",
        PostprocessorInfo,
        [flags, shape, needs_forms, needs_grids, gives_forms, gives_grids, reserved]
    );
    facts_of!(ours, "osteon_postprocessor_api", PostprocessorApi, [flags, create, destroy, info, process]);

    let theirs: Vec<(String, usize)> = unsafe { std::slice::from_raw_parts(&osteon_facts, osteon_n_facts) }
        .iter()
        .map(|fact| (unsafe { CStr::from_ptr(fact.what) }.to_str().unwrap().to_string(), fact.value))
        .collect();
    assert_eq!(ours.len(), theirs.len());
    for ((name, value), (their_name, their_value)) in ours.iter().zip(&theirs) {
        assert_eq!(name, their_name);
        // Structs grow at their ends.
        let is_size = name.starts_with("osteon_") && !name.contains('.');
        assert!(value == their_value || (is_size && value < their_value), "{}: {} and {}", name, value, their_value);
    }
    assert!(unsafe { osteon_headers_abi } >= ABI_VERSION, "the headers are older than this file");
}
