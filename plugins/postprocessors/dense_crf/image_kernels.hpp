// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include <osteon/sdk/cache.hpp>

#include "mean_field.hpp"
#include "normalization.hpp"

namespace osteon::dense_crf {

/// The two kernels of a dense CRF: one of place, one of place and colour.
struct KernelOptions {
  double gaussian_sxy = 3, gaussian_compat = 3;
  double bilateral_sxy = 80, bilateral_srgb = 13, bilateral_compat = 10;
  Normalization normalization = Normalization::kSymmetric;
};

/// What of a CRF belongs to an image. What takes long of it is kept by the host for the next request.
class ImageKernels {
 public:
  /// Throws BadInput for an image that holds something that is not finite.
  ImageKernels(const sdk::Call&, const osteon_image&, const Tiling&, const KernelOptions&);
  /// Valid as long as this. A kernel that counts nothing is not among them.
  std::vector<Kernel> kernels() const;

 private:
  void add(const sdk::Call&, const Tiling&, std::unique_ptr<Filter>, double compat, Normalization, const sdk::Cache&,
           sdk::CacheKey);
  struct Entry {
    std::unique_ptr<Filter> filter;
    std::unique_ptr<NormalizedFilter> normalized;
    float weight;
  };
  std::vector<Entry> entries_;
};

}  // namespace osteon::dense_crf
