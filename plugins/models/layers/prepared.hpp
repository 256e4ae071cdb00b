// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <mutex>

#include <torch/nn/module.h>

namespace osteon::layers {

/// What inference derives from weights, made when it is first asked for, by whichever thread comes first. get() may be
/// called from several threads at once, forget() may not come meanwhile.
template <class T>
class Prepared {
 public:
  /// What `make` gave, a std::shared_ptr<const T>, since the last forget().
  template <class Make>
  std::shared_ptr<const T> get(const Make& make) const {
    const std::lock_guard<std::mutex> lock(*mutex_);
    if (value_ == nullptr) value_ = make();
    return value_;
  }
  void forget() {
    const std::lock_guard<std::mutex> lock(*mutex_);
    value_.reset();
  }

 private:
  std::unique_ptr<std::mutex> mutex_ = std::make_unique<std::mutex>();
  mutable std::shared_ptr<const T> value_;
};

/// A module that has prepared something.
class HasInferenceConvs {
 public:
  virtual ~HasInferenceConvs() = default;
  virtual void forget_prepared() = 0;
};

/// Makes every part of `module` prepare anew what it derived from its weights and statistics.
void forget_prepared(torch::nn::Module& module);

}  // namespace osteon::layers
