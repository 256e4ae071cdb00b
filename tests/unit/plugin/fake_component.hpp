// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include <osteon/abi/all.h>

// A plugin library of the test's own making, linked in, whose every field can be spoilt.
namespace osteon::plugin::test {

struct FakeParameter {
  std::int64_t integer = 3;
  osteon_value value{};
  osteon_param_spec spec{};

  FakeParameter() {
    value.struct_size = sizeof value;
    value.type = OSTEON_PARAM_INT;
    value.count = 1;
    value.ints = &integer;
    spec.struct_size = sizeof spec;
    spec.type = OSTEON_PARAM_INT;
    spec.name = "depth";
    spec.doc = "how deep";
    spec.default_value = &value;
    spec.minimum = -INFINITY;
    spec.maximum = INFINITY;
    spec.max_count = UINT64_MAX;
  }
  FakeParameter(const FakeParameter&) = delete;
  FakeParameter& operator=(const FakeParameter&) = delete;
};

/// A library of one loss with one parameter. Sound as it is made.
struct FakeLibrary {
  osteon_loss_api api{};
  FakeParameter parameter;
  std::vector<const osteon_param_spec*> parameters{&parameter.spec};
  std::vector<std::int32_t> devices{OSTEON_DEVICE_CPU};
  std::vector<osteon_dtype> dtypes{{OSTEON_DTYPE_FLOAT, 32, 1}};
  osteon_component component{};
  std::vector<const osteon_component*> components{&component};

  FakeLibrary() {
    api.struct_size = sizeof api;
    api.create = [](const osteon_call*, const osteon_value* const*, const osteon_loss_request*, osteon_loss**,
                    osteon_error*) { return osteon_status{OSTEON_FAILED}; };
    api.destroy = [](osteon_loss*) {};
    api.evaluate = [](const osteon_call*, osteon_loss*, const osteon_loss_input*, double*, osteon_error*) {
      return osteon_status{OSTEON_FAILED};
    };
    component.struct_size = sizeof component;
    component.kind = OSTEON_KIND_LOSS;
    component.name = "fake";
    component.version = "1.2.3";
    component.doc = "A fake.";
    component.api = &api;
  }
  FakeLibrary(const FakeLibrary&) = delete;
  FakeLibrary& operator=(const FakeLibrary&) = delete;

  /// The description as it is now.
  osteon_plugin plugin() {
    component.n_params = parameters.size();
    if (component.params == nullptr && !parameters.empty()) component.params = parameters.data();
    component.n_devices = devices.size();
    component.devices = devices.data();
    component.n_dtypes = dtypes.size();
    component.dtypes = dtypes.data();
    osteon_plugin made{};
    made.struct_size = sizeof made;
    made.abi_version = OSTEON_ABI_VERSION;
    made.name = "library";
    made.version = "1.0.0";
    made.n_components = components.size();
    made.components = components.data();
    return made;
  }
};

}  // namespace osteon::plugin::test
