// SPDX-License-Identifier: Apache-2.0
#include "inference_transposed.hpp"

#include <array>
#include <utility>

#include <ATen/Parallel.h>

#include "gemm.hpp"
#include "patches.hpp"

namespace osteon::layers {

struct InferenceTransposed::Weights {
  std::array<kernels::Floats, 2> panels;  ///< for the upper row of the two that a pixel becomes, and for the lower one
  at::Tensor shift;                       ///< once for each column
};

InferenceTransposed::InferenceTransposed(torch::nn::ConvTranspose2d conv) : conv_(std::move(conv)) {}

at::Tensor InferenceTransposed::operator()(const at::Tensor& image) const {
  const std::int64_t in = conv_->weight.size(0), out = conv_->weight.size(1);
  const std::shared_ptr<const Weights> prepared = prepared_.get([&] {
    const auto room = [&] { return kernels::Floats(in * kernels::padded(2 * out)); };
    auto made = std::make_shared<Weights>(Weights{{room(), room()}, conv_->bias.detach().repeat({2})});
    for (std::int64_t i = 0; i < 2; ++i) {
      const at::Tensor rows = conv_->weight.detach().select(2, i).permute({2, 1, 0}).contiguous();
      kernels::pack_panels(rows.data_ptr<float>(), in, 2 * out, 1, in,
                           made->panels[static_cast<std::size_t>(i)].data());
    }
    return made;
  });
  const std::int64_t images = image.size(0), height = image.size(1), width = image.size(2);
  at::Tensor y = at::empty({images, 2 * height, 2 * width, out}, image.options());
  kernels::convolve_transposed(image.data_ptr<float>(), images * height, width, in,
                               {prepared->panels[0].data(), prepared->panels[1].data()}, out,
                               prepared->shift.data_ptr<float>(), y.data_ptr<float>(), at::get_num_threads());
  return y;
}

}  // namespace osteon::layers
