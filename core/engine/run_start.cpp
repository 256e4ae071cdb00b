// SPDX-License-Identifier: Apache-2.0
#include "engine/run_start.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "base/error.hpp"
#include "engine/opener.hpp"
#include "engine/run_record.hpp"
#include "run/changes.hpp"

namespace osteon::engine {
namespace fs = std::filesystem;
namespace {

/// Whether the folder is there. Throws where it cannot be looked for, or something else is in its place.
bool is_there(const fs::path& folder) {
  std::error_code failure;
  const fs::file_status status = fs::status(folder, failure);
  if (status.type() == fs::file_type::not_found) return false;
  if (failure) throw Error(ExitCode::kUsage, "cannot look at the folder: " + failure.message(), folder.string());
  if (status.type() != fs::file_type::directory)
    throw Error(ExitCode::kUsage, "is no folder, so no run can be in it; choose another with --out", folder.string());
  return true;
}

}  // namespace

RunStart::RunStart(const TrainRequest& request, const Context& context)
    : request_(request), context_(context), folder_(request.out) {
  if (is_there(request.out)) lock_.emplace(request.out);
  if (!lock_ || folder_.is_blank()) {
    if (request.resume) folder_.check_usable();
    return;
  }
  if (!folder_.is_run())
    throw Error(ExitCode::kUsage, "the folder is there, is not empty and is no run; choose another with --out",
                request.out.string());
  if (request.overwrite) return;
  if (request.resume) folder_.check_usable();
  done_ = folder_.is_done();
  if (!done_ && !fs::exists(folder_.checkpoint())) {
    spdlog::info("{}: the run that is there ended before its first checkpoint, and is begun anew",
                 request.out.string());
    return;
  }
  if (!request.resume && !request.go_on)
    throw Error(
        ExitCode::kUsage,
        std::string("there is a run already; --overwrite replaces it") + (done_ ? "" : ", --resume goes on with it"),
        request.out.string());
  resumes_ = true;
  compare();
}

void RunStart::compare() {
  const recipe::Recipe own = Opener(context_, request_.recipe).own_recipe(folder_.root());
  const std::vector<run::Change> changes = run::changes_between(own, request_.recipe);
  run::expect_may_change(changes, folder_.root());
  changes_recipe_ = !changes.empty();
  const int before = own.train.epochs, after = request_.recipe.train.epochs;
  if (done_ && after < before)
    throw Error(ExitCode::kUsage,
                fmt::format("the run has trained {} epochs, and cannot be made one of {}", before, after),
                folder_.root().string());
}

nlohmann::json RunStart::begin() {
  if (!lock_) lock_.emplace(folder_.root());
  folder_.remove_leftovers();
  if (!resumes_) {
    nlohmann::json record = new_record(request_, context_);
    folder_.begin(request_.recipe, record);
    return record;
  }
  nlohmann::json record = folder_.read_info();
  if (changes_recipe_) folder_.write_recipe(request_.recipe);
  add_session(record, request_, context_);
  folder_.write_info(record);
  return record;
}

}  // namespace osteon::engine
