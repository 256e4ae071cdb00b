// SPDX-License-Identifier: Apache-2.0
#include "predict/model_store.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include "base/error.hpp"
#include "base/file.hpp"

namespace osteon::predict {
namespace {

double mib(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

// Parameters and buffers; 0 of a model that shows none.
std::size_t tensor_bytes(plugin::Model& model) {
  std::size_t bytes = 0;
  for (const plugin::NamedTensor& tensor : model.tensors(plugin::Call()))
    bytes += static_cast<std::size_t>(sdk::element_count(*tensor.value)) * tensor.value->dtype.bits / 8;
  return bytes;
}

}  // namespace

StoredModel::StoredModel(ModelStore& store, ModelKey key, OpenModel open)
    : store_(store), key_(std::move(key)), open_(std::move(open)) {
  for (const std::filesystem::path& path : key_.files) files_.push_back(look_at(path));
}

StoredModel::File StoredModel::look_at(const std::filesystem::path& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) throw Error(ExitCode::kData, std::strerror(errno), path.string());
  File file;
  file.device = status.st_dev;
  file.inode = status.st_ino;
  file.bytes = static_cast<std::uint64_t>(status.st_size);
  file.changed_s = status.st_mtim.tv_sec;
  file.changed_ns = status.st_mtim.tv_nsec;
  return file;
}

bool StoredModel::has_same_content(StoredModel& other) {
  if (files_.size() != other.files_.size()) return false;
  const auto as_the_system_says = [](const File& a, const File& b) {
    return a.device == b.device && a.inode == b.inode && a.bytes == b.bytes && a.changed_s == b.changed_s &&
           a.changed_ns == b.changed_ns;
  };
  const auto digest = [](StoredModel& of, std::size_t i) -> const std::string& {
    if (!of.files_[i].digest) of.files_[i].digest = sha256_file(of.key_.files[i]);
    return *of.files_[i].digest;
  };
  // Sizes of all first: a digest reads the file.
  for (std::size_t i = 0; i < files_.size(); ++i)
    if (files_[i].bytes != other.files_[i].bytes) return false;
  for (std::size_t i = 0; i < files_.size(); ++i)
    if (!as_the_system_says(files_[i], other.files_[i]) && digest(*this, i) != digest(other, i)) return false;
  return true;
}

void StoredModel::expect_same_files() const {
  for (std::size_t i = 0; i < files_.size(); ++i) {
    const std::string path = key_.files[i].string();
    std::string what;
    try {
      const File now = look_at(path);
      if (now.bytes == files_[i].bytes && now.changed_s == files_[i].changed_s &&
          now.changed_ns == files_[i].changed_ns)
        continue;
      what = "the file was changed";
    } catch (const Error& e) {
      what = e.what();
    }
    throw Error(ExitCode::kResources, what + " since the run was opened; open the run again", path);
  }
}

std::size_t StoredModel::file_bytes() const {
  std::size_t bytes = 0;
  for (const File& file : files_) bytes += file.bytes;
  return bytes;
}

std::shared_ptr<const plugin::Model> StoredModel::acquire() { return store_.acquire(*this); }

std::shared_ptr<const plugin::Model> StoredModel::if_open() const {
  const std::lock_guard lock(store_.mutex_);
  return model_;
}

std::shared_ptr<StoredModel> ModelStore::hold(ModelKey key, OpenModel open) {
  auto made = std::make_shared<StoredModel>(*this, std::move(key), std::move(open));
  const std::lock_guard opening(opening_);
  for (const std::shared_ptr<StoredModel>& known : held()) {
    if (known->key_.kind != made->key_.kind) continue;
    try {
      // One whose files were replaced is not what it was held as.
      known->expect_same_files();
    } catch (const Error&) {
      continue;
    }
    if (!known->has_same_content(*made)) continue;
    spdlog::debug("{} is {}", made->key_.name, known->key_.name);
    return known;
  }
  const std::lock_guard lock(mutex_);
  models_.erase(std::remove_if(models_.begin(), models_.end(), [](const auto& model) { return model.expired(); }),
                models_.end());
  models_.push_back(made);
  return made;
}

std::vector<std::shared_ptr<StoredModel>> ModelStore::held() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<StoredModel>> models;
  for (const std::weak_ptr<StoredModel>& weak : models_)
    if (auto model = weak.lock()) models.push_back(std::move(model));
  return models;
}

std::shared_ptr<const plugin::Model> ModelStore::find(StoredModel& wanted) {
  const std::lock_guard lock(mutex_);
  wanted.last_use_ = ++uses_;
  return wanted.model_;
}

std::shared_ptr<const plugin::Model> ModelStore::acquire(StoredModel& wanted) {
  if (auto model = find(wanted)) return model;
  const std::lock_guard opening(opening_);
  if (auto model = find(wanted)) return model;  // another thread was first
  wanted.expect_same_files();
  const bool again = wanted.bytes_ > 0;
  make_room(again ? wanted.bytes_ : wanted.file_bytes());
  std::shared_ptr<plugin::Model> model = wanted.open_();
  std::size_t bytes = tensor_bytes(*model), bound = 0;
  if (bytes == 0) bytes = std::max<std::size_t>(wanted.file_bytes(), 1);
  {
    const std::lock_guard lock(mutex_);
    wanted.model_ = model;
    wanted.bytes_ = bytes;
    ++opened_;
    bound = bound_;
  }
  spdlog::debug("{}: opened{}, {:.1f} MiB", wanted.key_.name, again ? " again" : "", mib(bytes));
  if (bound > 0 && bytes > bound && !again)
    spdlog::warn("{}: the model takes {:.1f} MiB, more than predict.memory_mb allows for all", wanted.key_.name,
                 mib(bytes));
  make_room(0);
  return model;
}

void ModelStore::make_room(std::size_t bytes) {
  for (;;) {
    const std::vector<std::shared_ptr<StoredModel>> models = held();
    std::shared_ptr<const plugin::Model> given_up;  // ends without the lock
    std::string line;
    bool first = false;
    {
      const std::lock_guard lock(mutex_);
      std::size_t taken = bytes;
      StoredModel* oldest = nullptr;
      for (const std::shared_ptr<StoredModel>& model : models) {
        if (model->model_ == nullptr) continue;
        taken += model->bytes_;
        // Copies are made under this lock alone: what only the store has stays so meanwhile.
        if (model->model_.use_count() == 1 && (oldest == nullptr || model->last_use_ < oldest->last_use_))
          oldest = model.get();
      }
      if (bound_ == 0 || taken <= bound_ || oldest == nullptr) return;
      given_up = std::move(oldest->model_);
      first = !std::exchange(oldest->said_, true);
      line = fmt::format("{}: given up for predict.memory_mb, {:.1f} MiB; it is opened again when its turn comes",
                         oldest->key_.name, mib(oldest->bytes_));
      ++given_up_;
    }
    spdlog::log(first ? spdlog::level::info : spdlog::level::debug, "{}", line);
  }
}

void ModelStore::set_bound(std::size_t bytes) {
  {
    const std::lock_guard lock(mutex_);
    bound_ = bytes;
  }
  make_room(0);
}

ModelStore::Counts ModelStore::counts() const {
  const std::vector<std::shared_ptr<StoredModel>> models = held();
  const std::lock_guard lock(mutex_);
  Counts counts;
  counts.models = models.size();
  counts.opened = opened_;
  counts.given_up = given_up_;
  for (const std::shared_ptr<StoredModel>& model : models) {
    if (model->model_ == nullptr) continue;
    ++counts.open;
    counts.bytes += model->bytes_;
  }
  return counts;
}

ModelStore& shared_store() {
  static ModelStore store;
  return store;
}

}  // namespace osteon::predict
