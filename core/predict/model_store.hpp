// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "plugin/model.hpp"

namespace osteon::predict {

/// What makes a model the one that it is. Two of one kind whose files have one content are one model.
struct ModelKey {
  std::string kind;                          ///< all but the files: plugin, parameters, classes, device
  std::vector<std::filesystem::path> files;  ///< weights first, then what parameters name
  std::string name;                          ///< for log lines and errors alone
};

/// Makes a model as it is to predict. It is called again when the model is wanted again after it was given up. It
/// neither holds nor acquires another model of the store.
using OpenModel = std::function<std::unique_ptr<plugin::Model>()>;

class ModelStore;

/// A model that somebody may predict with, open or not. Its store outlives it. [any-thread]
class StoredModel {
 public:
  StoredModel(ModelStore& store, ModelKey key, OpenModel open);
  /// The model, opened if it is not. Held for as long as one request takes: until it is let go it is in use, and not
  /// given up. Throws what opening throws, and Error(kResources) when its files are no longer those that it began with.
  std::shared_ptr<const plugin::Model> acquire();
  /// The model if it is open; null where it was given up or never wanted.
  std::shared_ptr<const plugin::Model> if_open() const;

 private:
  friend class ModelStore;
  /// A file as the system knows it: while this is the same, so is the content.
  struct File {
    std::uint64_t device = 0, inode = 0, bytes = 0;
    std::int64_t changed_s = 0, changed_ns = 0;
    std::optional<std::string> digest;  ///< once it was asked for
  };
  static File look_at(const std::filesystem::path& path);
  bool has_same_content(StoredModel& other);
  void expect_same_files() const;
  std::size_t file_bytes() const;

  ModelStore& store_;
  ModelKey key_;
  OpenModel open_;
  std::vector<File> files_;  ///< of key_.files
  // Guarded by the store's mutex.
  std::shared_ptr<const plugin::Model> model_;
  std::size_t bytes_ = 0;  ///< when it was open last; 0: it never was
  bool said_ = false;      ///< that it was given up
  std::uint64_t last_use_ = 0;
};

/// Models to predict with, apart from what predicts with them. A model is in it once however many name it, and is
/// opened when it is wanted. What they take together is bounded: before one is opened that does not fit, those that are
/// not in use are given up, what was not wanted for longest first. The log says so, once for each model (again and
/// again at its level debug), and counts() how often. Models in use are never given up, nor is one refused, so a bound
/// below what is in use at one time is exceeded; where one model alone does, a warning says so. [any-thread]
class ModelStore {
 public:
  struct Counts {
    std::size_t models = 0;    ///< that somebody holds
    std::size_t open = 0;      ///< of these
    std::size_t bytes = 0;     ///< of those that are open
    std::size_t opened = 0;    ///< openings so far
    std::size_t given_up = 0;  ///< so far, for the bound
  };

  ModelStore() = default;
  ModelStore(const ModelStore&) = delete;
  ModelStore& operator=(const ModelStore&) = delete;

  /// The model of this key, which stays known for as long as somebody holds it. `open` is dropped where it is known.
  /// Files are compared by their digests where two have one size and are not one file. Throws Error(kData) for a file
  /// that cannot be read.
  std::shared_ptr<StoredModel> hold(ModelKey key, OpenModel open);

  /// Bytes that open models may take together, by their parameters and buffers (of one that shows none, by its files);
  /// 0: any number. Gives up what is over it.
  void set_bound(std::size_t bytes);
  Counts counts() const;

 private:
  friend class StoredModel;
  std::shared_ptr<const plugin::Model> acquire(StoredModel& wanted);
  std::shared_ptr<const plugin::Model> find(StoredModel& wanted);
  std::vector<std::shared_ptr<StoredModel>> held() const;
  void make_room(std::size_t bytes);

  std::mutex opening_;  ///< one is opened at a time; also guards the files' digests; taken before mutex_
  mutable std::mutex mutex_;
  std::vector<std::weak_ptr<StoredModel>> models_;
  std::size_t bound_ = 0;
  std::uint64_t uses_ = 0;
  std::size_t opened_ = 0, given_up_ = 0;
};

/// The one store of the process.
ModelStore& shared_store();

}  // namespace osteon::predict
