// SPDX-License-Identifier: Apache-2.0
#include "weights/pickle_globals.hpp"

namespace osteon::weights {
namespace {

using Role = Global::Role;

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
    {"torch.ComplexDoubleStorage", Role::kStorage, "-"},
    {"torch.UntypedStorage", Role::kStorage},
    {"torch.storage.UntypedStorage", Role::kStorage},

    {"torch.float64", Role::kDtype, "F64"},
    {"torch.float32", Role::kDtype, "F32"},
    {"torch.float16", Role::kDtype, "F16"},
    {"torch.bfloat16", Role::kDtype, "BF16"},
    {"torch.float8_e4m3fn", Role::kDtype, "F8_E4M3"},
    {"torch.float8_e5m2", Role::kDtype, "F8_E5M2"},
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

    // What training scripts put beside the weights: their arguments, Python's own types (which protocol 2 calls by the
    // names they had in Python 2), and numbers out of numpy.
    {"argparse.Namespace", Role::kOther},
    {"pathlib.PosixPath", Role::kOther},
    {"_codecs.encode", Role::kOther},
    {"__builtin__.bool", Role::kOther},
    {"__builtin__.int", Role::kOther},
    {"__builtin__.long", Role::kOther},
    {"__builtin__.float", Role::kOther},
    {"__builtin__.complex", Role::kOther},
    {"__builtin__.str", Role::kOther},
    {"__builtin__.unicode", Role::kOther},
    {"__builtin__.bytearray", Role::kOther},
    {"__builtin__.tuple", Role::kOther},
    {"__builtin__.list", Role::kOther},
    {"__builtin__.dict", Role::kOther},
    {"__builtin__.set", Role::kOther},
    {"__builtin__.frozenset", Role::kOther},
    {"numpy.dtype", Role::kOther},
    {"numpy.ndarray", Role::kOther},
    {"numpy.core.multiarray.scalar", Role::kOther},
    {"numpy.core.multiarray._reconstruct", Role::kOther},
    {"numpy._core.multiarray.scalar", Role::kOther},
    {"numpy._core.multiarray._reconstruct", Role::kOther},
    {"torch.Size", Role::kOther},
    {"torch.device", Role::kOther},
    {"torch.Tensor", Role::kOther},
    {"torch.nn.parameter.Parameter", Role::kOther},
};

}  // namespace

const Global* find_global(std::string_view module, std::string_view name) noexcept {
  // Storages of a GPU, as PyTorch before 1.0 wrote them, lie in the file like any other.
  if (module == "torch.cuda") module = "torch";
  for (const Global& global : kGlobals)
    if (global.name.size() == module.size() + 1 + name.size() && global.name.substr(0, module.size()) == module &&
        global.name[module.size()] == '.' && global.name.substr(module.size() + 1) == name)
      return &global;
  return nullptr;
}

}  // namespace osteon::weights
