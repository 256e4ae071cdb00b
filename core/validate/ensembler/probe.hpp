// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin/component.hpp"
#include "validate/fit/probe.hpp"
#include "validate/harness/member_sayings.hpp"

// An ensembler as checks see it.
namespace osteon::validate {

class EnsemblerProbe {
 public:
  static constexpr std::int64_t kMembers = 3;
  /// @param has_class  [kMembers, n_classes]; empty: all members have all classes
  EnsemblerProbe(const Subject& subject, bool multiclass, std::int64_t n_classes, Outcome* outcome,
                 std::vector<std::uint8_t> has_class = {});
  /// Null where the ensembler refuses such labels. Fitted on sayings of its own when it has to be, unless `raw`.
  static std::unique_ptr<EnsemblerProbe> make(const Subject& subject, bool multiclass, std::int64_t n_classes = 3,
                                              bool raw = false, const std::vector<std::uint8_t>& has_class = {});
  ~EnsemblerProbe();
  EnsemblerProbe(const EnsemblerProbe&) = delete;
  EnsemblerProbe& operator=(const EnsemblerProbe&) = delete;

  const osteon_ensembler_api& api() const noexcept { return api_; }
  osteon_ensembler_info info() const;
  bool must_fit() const { return (info().flags & OSTEON_ENSEMBLER_FITS) != 0; }
  osteon_ensembler* get() const noexcept { return ensembler_; }
  bool multiclass() const noexcept { return multiclass_; }
  std::int64_t n_classes() const noexcept { return n_classes_; }
  std::vector<std::int32_t> all_classes() const;
  /// What its members say, in the form that it takes.
  MemberSayings sayings(std::uint64_t seed = 1) const;

  /// Null where it has nothing to fit.
  const FitProbe* fit() const noexcept { return fit_.get(); }
  FitPlan plan() const;
  bool needed(std::int64_t member, std::int64_t k) const { return api_.needed(ensembler_, member, k) != 0; }
  /// Those that any of these classes needs.
  std::vector<std::int64_t> needed_members(const std::vector<std::int32_t>& classes) const;

  /// A band being combined; dropped when it dies unfinished.
  class Band {
   public:
    Band(const EnsemblerProbe& owner, const ProbeBand& band, const osteon_call* call = nullptr);
    ~Band();
    Band(const Band&) = delete;
    Band& operator=(const Band&) = delete;
    const Outcome& begun() const noexcept { return begun_; }
    Outcome try_add(std::int64_t member, const osteon_tensor_view* prediction, const osteon_call* call = nullptr);
    void add(std::int64_t member, const MemberSayings& sayings);
    Outcome try_finish(osteon_tensor* out, const osteon_call* call = nullptr);
    /// Fails unless the result is complete; its values, bits as floats.
    std::vector<float> finish();
    /// Fails unless a tensor of the promised kind came out.
    sdk::OwnedTensor finish_owned();

   private:
    const EnsemblerProbe& owner_;
    const ProbeBand& band_;
    Outcome begun_;
    osteon_accumulation* handle_ = nullptr;
  };

  /// All that is needed of `band`, member by member in this order (empty: rising).
  std::vector<float> combine(const MemberSayings& sayings, const ProbeBand& band,
                             const std::vector<std::int64_t>& order = {}, const osteon_call* call = nullptr) const;
  /// The whole image, all classes.
  std::vector<float> combine(const MemberSayings& sayings, const osteon_call* call = nullptr) const;

 private:
  const osteon_ensembler_api api_;
  bool multiclass_;
  std::int64_t n_classes_;
  std::vector<std::uint8_t> has_class_;
  osteon_ensembler* ensembler_ = nullptr;
  std::unique_ptr<FitProbe> fit_;
};

/// Runs `body` with a (fitted) probe for each kind of labels that the ensembler takes; fails when it takes none.
void for_each_labels(const Subject& subject, const std::function<void(const EnsemblerProbe& ensembler)>& body);

/// The promises by topic; ensembler_checks() is all of them.
const std::vector<Check>& ensembler_result_checks();  ///< what it says of itself, and what it makes of its members
const std::vector<Check>& ensembler_host_checks();    ///< refusals, threads, memory, cancellation, speed

}  // namespace osteon::validate
