// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "predict/decide.hpp"
#include "predict/link.hpp"
#include "predict/predictor.hpp"

namespace osteon::predict {

/// Some classes of a data set as if there were no others. `classes` rise. A class whose mirrored one is not among them
/// stays itself.
plugin::ClassContext narrowed(const plugin::ClassContext& all, const std::vector<std::int32_t>& classes);

/// A predictor as if it had some of its classes alone.
class Narrowed : public Predictor {
 public:
  /// @param classes  of `inner`, rising
  Narrowed(std::shared_ptr<const Predictor> inner, std::vector<std::int32_t> classes);

  std::string name() const override { return inner_->name(); }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;
  std::unique_ptr<Reading> open(const osteon_call* call, const osteon_image& image,
                                const osteon_predict_request& request) const override;

 protected:
  /// What `inner` calls the classes of a request.
  std::vector<std::int32_t> inner_classes(const osteon_predict_request& request) const;
  const Predictor& inner() const noexcept { return *inner_; }

 private:
  std::shared_ptr<const Predictor> inner_;
  std::vector<std::int32_t> classes_;
};

/// A post-processor that acts on some classes, and sees no others. What is asked of the others is brought to the form
/// and the grid of the request, as they are beneath. A map's one inner call brings them along; a wrapper asks what it
/// wants, so that they cost a call of their own. Of multilabel data only: where exactly one class holds for a pixel,
/// what one class loses another gets.
class SomeClasses final : public Predictor {
 public:
  /// @param link      made for narrowed(inner->classes(), classes)
  /// @param classes   that it acts on, rising
  /// @param decision  of all classes: makes bits of the others where bits are asked for
  SomeClasses(std::shared_ptr<const Predictor> inner, std::shared_ptr<const Link> link,
              std::vector<std::int32_t> classes, Decision decision);

  std::string name() const override { return link_->name(); }
  void predict(const osteon_call* call, const std::vector<const osteon_image*>& images,
               const osteon_predict_request& request, std::vector<OwnedPrediction>& predictions) const override;

 private:
  struct Parts;
  void predict_others(const osteon_call* call, const std::vector<const osteon_image*>& images,
                      const osteon_predict_request& request, Parts& parts) const;
  void predict_own(const osteon_call* call, const std::vector<const osteon_image*>& images,
                   const osteon_predict_request& request, Parts& parts) const;
  OwnedPrediction joined(const osteon_call* call, const osteon_image& image, const osteon_predict_request& request,
                         Parts& parts, std::size_t i) const;

  std::shared_ptr<const Predictor> inner_;
  std::shared_ptr<const Link> link_;
  std::vector<std::int32_t> classes_;
  Decision decision_;
};

}  // namespace osteon::predict
