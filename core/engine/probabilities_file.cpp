// SPDX-License-Identifier: Apache-2.0
#include "engine/probabilities_file.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include <fmt/format.h>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/half.hpp>

#include "base/error.hpp"
#include "predict/elements.hpp"
#include "weights/safetensors.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

constexpr char kName[] = "probabilities";

OSTEON_MULTIVERSION void narrow(const float* values, std::int64_t count, std::uint16_t* out) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) out[i] = sdk::half_from_float(values[i]);
}

osteon_dtype dtype_of(const weights::TensorData& tensor, const fs::path& path) {
  if (tensor.dtype == "F32") return sdk::dtype_of<float>();
  if (tensor.dtype == "F16") return {OSTEON_DTYPE_FLOAT, 16, 1};
  if (tensor.dtype == "BF16") return {OSTEON_DTYPE_BFLOAT, 16, 1};
  throw Error(ExitCode::kData, fmt::format("`{}` is {}, expected F32, F16 or BF16", kName, tensor.dtype),
              path.string());
}

void expect_probabilities(const float* values, const std::vector<std::int64_t>& shape, const fs::path& path) {
  const std::int64_t plane = shape[2] * shape[3], count = shape[1] * plane;
  const float* end = values + count;
  const float* odd = std::find_if(values, end, [](float p) { return !(p >= 0 && p <= 1); });
  if (odd == end) return;
  const std::int64_t at = odd - values;
  throw Error(ExitCode::kData,
              fmt::format("`{}` has {} for class {} in row {}, column {}; probabilities are 0..1", kName, *odd,
                          at / plane, at % plane / shape[3], at % shape[3]),
              path.string());
}

}  // namespace

void write_probabilities(const fs::path& path, std::int64_t classes, std::int64_t height, std::int64_t width, bool half,
                         const std::function<void(const predict::ProbabilitySink&)>& predict) {
  const std::int64_t element = half ? 2 : 4, row = width * element;
  const weights::TensorData tensor{kName,
                                   half ? "F16" : "F32",
                                   {1, classes, height, width},
                                   nullptr,
                                   static_cast<std::uint64_t>(classes * height * row)};
  if (path.has_parent_path()) {
    std::error_code failure;
    fs::create_directories(path.parent_path(), failure);
    if (failure)
      throw Error(ExitCode::kResources, "cannot create the folder: " + failure.message(), path.parent_path().string());
  }
  weights::write_safetensors_by_pieces(path, tensor, [&](const weights::PieceWriter& write) {
    std::vector<std::uint16_t> halves;
    predict([&](const osteon_tensor_view& band, std::int64_t first_row) {
      const float* values = sdk::data_of<const float>(band, kName);
      const std::int64_t rows = band.shape[1], count = rows * width;
      halves.resize(half ? static_cast<std::size_t>(count) : 0);
      for (std::int64_t k = 0; k < band.shape[0]; ++k) {
        const void* piece = values + k * count;
        if (half) {
          narrow(values + k * count, count, halves.data());
          piece = halves.data();
        }
        write(static_cast<std::uint64_t>((k * height + first_row) * row), piece, static_cast<std::size_t>(rows * row));
      }
    });
  });
}

void write_probabilities(const fs::path& path, const osteon_tensor_view& values, bool half) {
  write_probabilities(path, values.shape[0], values.shape[1], values.shape[2], half,
                      [&](const predict::ProbabilitySink& sink) { sink(values, 0); });
}

sdk::OwnedTensor read_probabilities(const fs::path& path, std::int64_t classes, const plugin::Call& call) {
  const weights::SafetensorsFile file(path);
  const weights::TensorData* tensor = file.find(kName);
  if (tensor == nullptr)
    throw Error(ExitCode::kData,
                fmt::format("the file has no tensor `{0}`; `osteon predict --format {0}` writes one", kName),
                path.string());
  const std::vector<std::int64_t>& shape = tensor->shape;
  if (shape.size() != 4 || shape[0] != 1 || shape[1] != classes || shape[2] < 1 || shape[3] < 1)
    throw Error(ExitCode::kData,
                fmt::format("`{}` is [{}], expected [1, {}, height, width] for {} classes", kName,
                            fmt::join(shape, ", "), classes, classes),
                path.string());
  const osteon_dtype type = dtype_of(*tensor, path);
  sdk::OwnedTensor values = sdk::Call(call.raw()).allocate<float>({shape[1], shape[2], shape[3]});
  // The file's elements may not be aligned: a row at a time is copied to where they are.
  const std::int64_t width = shape[3], bytes = width * (type.bits / 8);
  std::vector<std::uint32_t> row(static_cast<std::size_t>(width));
  for (std::int64_t y = 0; y < shape[1] * shape[2]; ++y) {
    std::memcpy(row.data(), tensor->data + y * bytes, static_cast<std::size_t>(bytes));
    predict::to_float32(type, row.data(), width, values.data<float>() + y * width);
  }
  expect_probabilities(values.data<float>(), shape, path);
  return values;
}

}  // namespace osteon::engine
