// SPDX-License-Identifier: Apache-2.0
//! What the library says of itself: the note that is read before any of its code runs, the schema, the entry.

use std::mem::size_of;
use std::os::raw::c_char;
use std::ptr::null;

use crate::abi::*;
use crate::wall::{failure, sent, Failure};

const NOTE_TEXT: &[u8] = b"{\"abi\": [0, 2], \"name\": \"largest_part\", \"version\": \"1.0.0\", \
    \"components\": [{\"kind\": \"postprocessor\", \"name\": \"largest_part\"}], \
    \"libtorch\": \"\", \"stdlib_abi\": \"\"}";

const NOTE_SIZE: usize = (NOTE_TEXT.len() + 3) / 4 * 4;

/// An ELF note: sizes of name and descriptor, type, name, descriptor; both filled up to multiples of four.
#[repr(C, align(4))]
pub struct Note {
    name_size: u32,
    descriptor_size: u32,
    kind: u32,
    name: [u8; 8],
    descriptor: [u8; NOTE_SIZE],
}

const fn filled_up(text: &[u8]) -> [u8; NOTE_SIZE] {
    let mut filled = [b' '; NOTE_SIZE];
    let mut i = 0;
    while i < text.len() {
        filled[i] = text[i];
        i += 1;
    }
    filled
}

#[used]
#[link_section = ".note.osteon"]
pub static NOTE: Note = Note {
    name_size: 7,
    descriptor_size: NOTE_SIZE as u32,
    kind: 1,
    name: *b"Osteon\0\0",
    descriptor: filled_up(NOTE_TEXT),
};

const fn text(bytes: &[u8]) -> *const c_char {
    assert!(bytes[bytes.len() - 1] == 0, "a C string ends with 0");
    bytes.as_ptr().cast()
}

const THRESHOLD: (f64, f64) = (1e-6, 1.0);
static THRESHOLD_VALUE: f64 = 0.5;
static THRESHOLD_DEFAULT: Constant<Value> = Constant(Value {
    struct_size: size_of::<Value>() as u32,
    flags: 0,
    kind: PARAM_FLOAT,
    reserved: 0,
    count: 1,
    ints: null(),
    floats: &THRESHOLD_VALUE,
    strings: null(),
    predictors: null(),
});
static THRESHOLD_SPEC: Constant<ParamSpec> = Constant(ParamSpec {
    struct_size: size_of::<ParamSpec>() as u32,
    flags: 0,
    kind: PARAM_FLOAT,
    reserved: 0,
    name: text(b"threshold\0"),
    doc: text(b"probability from which on a pixel belongs to a part\0"),
    unit: null(),
    default_value: &THRESHOLD_DEFAULT.0,
    minimum: THRESHOLD.0,
    maximum: THRESHOLD.1,
    min_count: 1,
    max_count: 1,
    n_choices: 0,
    choices: null(),
    n_aliases: 0,
    aliases: null(),
});
static PARAMS: Constant<[*const ParamSpec; 1]> = Constant([&THRESHOLD_SPEC.0]);

/// The value of the one parameter; the host has checked it, and this does again.
pub unsafe fn read_threshold(value: *const Value) -> Result<f64, Failure> {
    let value = sent!(value, predictors, 0, "threshold")?;
    if value.kind != PARAM_FLOAT || value.count != 1 || value.floats.is_null() {
        return Err(failure(INVALID_ARGUMENT, "threshold has to be one number"));
    }
    let threshold = *value.floats;
    if threshold >= THRESHOLD.0 && threshold <= THRESHOLD.1 {
        return Ok(threshold);
    }
    let what = format!("threshold is {}; it goes from {} to {}", threshold, THRESHOLD.0, THRESHOLD.1);
    Err(failure(INVALID_ARGUMENT, what))
}

static API: PostprocessorApi = PostprocessorApi {
    struct_size: size_of::<PostprocessorApi>() as u32,
    flags: 0,
    create: crate::create,
    destroy: crate::destroy,
    info: crate::info,
    process: crate::process,
};
static DEVICES: [i32; 1] = [DEVICE_CPU];
static DTYPES: [Dtype; 1] = [Dtype { code: DTYPE_FLOAT, bits: 32, lanes: 1 }];
static COMPONENT: Constant<Component> = Constant(Component {
    struct_size: size_of::<Component>() as u32,
    flags: 0,
    kind: KIND_POSTPROCESSOR,
    reserved: 0,
    name: text(b"largest_part\0"),
    version: text(b"1.0.0\0"),
    doc: text(b"Of every class only the largest connected part stays (corners connect); others are pressed under the threshold.\0"),
    reference: null(),
    n_params: 1,
    params: PARAMS.0.as_ptr(),
    n_devices: 1,
    devices: DEVICES.as_ptr(),
    n_dtypes: 1,
    dtypes: DTYPES.as_ptr(),
    api: &API as *const PostprocessorApi as *const _,
    extension: None,
});
static COMPONENTS: Constant<[*const Component; 1]> = Constant([&COMPONENT.0]);
static PLUGIN: Constant<Plugin> = Constant(Plugin {
    struct_size: size_of::<Plugin>() as u32,
    abi_version: ABI_VERSION,
    flags: 0,
    reserved: 0,
    name: text(b"largest_part\0"),
    version: text(b"1.0.0\0"),
    n_components: 1,
    components: COMPONENTS.0.as_ptr(),
});

/// The one symbol of the library. A later host of the same major number knows all that is used here; an earlier one does
/// not, and gets nothing.
#[no_mangle]
pub extern "C" fn osteon_get_plugin(host_abi: u32) -> *const Plugin {
    if host_abi >> 16 == ABI_MAJOR && host_abi >= ABI_VERSION {
        &PLUGIN.0
    } else {
        null()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_get_what_they_know() {
        assert!(osteon_get_plugin(ABI_VERSION - 1).is_null());
        assert!(osteon_get_plugin(1 << 16).is_null());
        for host in [ABI_VERSION, ABI_VERSION + 7] {
            assert_eq!(unsafe { (*osteon_get_plugin(host)).abi_version }, ABI_VERSION);
        }
    }
}
