// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle_globals.hpp"

namespace osteon::weights {
namespace {

using Role = Global::Role;

constexpr std::string_view kRebuild = "_rebuild_";  // how PyTorch calls what makes tensors of a file

constexpr Global kGlobals[] = {
    {"collections.OrderedDict", Role::kDict},
    {"collections.defaultdict", Role::kDict},

    {"torch._utils._rebuild_tensor", Role::kTensor},
    {"torch._utils._rebuild_tensor_v2", Role::kTensor},
    {"torch._utils._rebuild_tensor_v3", Role::kTypedTensor},
    {"torch._utils._rebuild_parameter", Role::kParameter},
    {"torch._utils._rebuild_parameter_with_state", Role::kParameter},
    {"torch._tensor._rebuild_from_type_v2", Role::kSubclass},

    {"torch.DoubleStorage", Role::kStorage, "F64"},
    {"torch.FloatStorage", Role::kStorage, "F32"},
    {"torch.HalfStorage", Role::kStorage, "F16"},
    {"torch.BFloat16Storage", Role::kStorage, "BF16"},
    {"torch.LongStorage", Role::kStorage, "I64"},
    {"torch.IntStorage", Role::kStorage, "I32"},
    {"torch.ShortStorage", Role::kStorage, "I16"},
    {"torch.CharStorage", Role::kStorage, "I8"},
    {"torch.ByteStorage", Role::kStorage, "U8"},
    {"torch.BoolStorage", Role::kStorage, "BOOL"},
    {"torch.ComplexFloatStorage", Role::kStorage, "C64"},
    {"torch.ComplexDoubleStorage", Role::kStorage, "-", 16},
    {"torch.QInt8Storage", Role::kStorage, "-", 1},
    {"torch.QUInt8Storage", Role::kStorage, "-", 1},
    {"torch.QInt32Storage", Role::kStorage, "-", 4},
    {"torch.QUInt4x2Storage", Role::kStorage, "-", 1},
    {"torch.QUInt2x4Storage", Role::kStorage, "-", 1},
    {"torch.UntypedStorage", Role::kStorage},
    {"torch.storage.UntypedStorage", Role::kStorage},

    {"torch.float64", Role::kDtype, "F64"},
    {"torch.float32", Role::kDtype, "F32"},
    {"torch.float16", Role::kDtype, "F16"},
    {"torch.bfloat16", Role::kDtype, "BF16"},
    {"torch.float8_e4m3fn", Role::kDtype, "F8_E4M3"},
    {"torch.float8_e5m2", Role::kDtype, "F8_E5M2"},
    {"torch.float8_e4m3fnuz", Role::kDtype, "F8_E4M3FNUZ"},
    {"torch.float8_e5m2fnuz", Role::kDtype, "F8_E5M2FNUZ"},
    {"torch.float8_e8m0fnu", Role::kDtype, "F8_E8M0"},
    {"torch.int64", Role::kDtype, "I64"},
    {"torch.int32", Role::kDtype, "I32"},
    {"torch.int16", Role::kDtype, "I16"},
    {"torch.int8", Role::kDtype, "I8"},
    {"torch.uint64", Role::kDtype, "U64"},
    {"torch.uint32", Role::kDtype, "U32"},
    {"torch.uint16", Role::kDtype, "U16"},
    {"torch.uint8", Role::kDtype, "U8"},
    {"torch.bool", Role::kDtype, "BOOL"},
    {"torch.complex64", Role::kDtype, "C64"},
    {"torch.complex128", Role::kDtype, "-"},
};

}  // namespace

const Global& find_global(std::string_view module, std::string_view name) noexcept {
  static constexpr Global kOther{{}, Role::kOther}, kOtherTensor{{}, Role::kOtherTensor};
  // Storages of a GPU, as PyTorch before 1.0 wrote them, lie in the file like any other.
  if (module == "torch.cuda") module = "torch";
  for (const Global& global : kGlobals)
    if (global.name.size() == module.size() + 1 + name.size() && global.name.substr(0, module.size()) == module &&
        global.name[module.size()] == '.' && global.name.substr(module.size() + 1) == name)
      return global;
  const bool rebuilds = name.substr(0, kRebuild.size()) == kRebuild;
  return rebuilds && (module == "torch._utils" || module == "torch._tensor") ? kOtherTensor : kOther;
}

}  // namespace osteon::weights
