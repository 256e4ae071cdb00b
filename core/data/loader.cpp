// SPDX-License-Identifier: Apache-2.0
#include "data/loader.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <map>
#include <mutex>
#include <numeric>
#include <thread>
#include <unordered_map>

#include "base/error.hpp"
#include "data/label_ops.hpp"
#include "data/view.hpp"

namespace osteon::data {
namespace {

/// A decoded view.
struct View {
  Image image;
  Labels labels;

  std::size_t bytes() const {
    std::size_t total = image.pixels.total() * image.pixels.elemSize() + labels.valid().total();
    for (const cv::Mat& plane : labels.planes()) total += plane.total() * plane.elemSize();
    return total;
  }
};

// Training sees every image once per epoch, for which throwing out the least recently used keeps nothing of use: what
// came first stays.
class ViewCache {
 public:
  explicit ViewCache(std::size_t limit) : limit_(limit) {}
  std::optional<View> find(int index) const {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = views_.find(index);
    return found == views_.end() ? std::nullopt : std::optional<View>(found->second);
  }
  void put(int index, const View& view) {
    const std::lock_guard<std::mutex> lock(mutex_);
    const std::size_t bytes = view.bytes();
    if (used_ + bytes > limit_ || !views_.emplace(index, view).second) return;
    used_ += bytes;
  }

 private:
  std::size_t limit_;
  std::size_t used_ = 0;
  mutable std::mutex mutex_;
  std::unordered_map<int, View> views_;
};

}  // namespace

struct Loader::State {
  const Dataset& dataset;
  const std::vector<int> indices;
  const AugmentPipeline* augment;
  const LoaderOptions options;
  ViewCache cache;

  std::mutex mutex;
  std::condition_variable changed;
  std::vector<std::thread> threads;
  // A finished batch; nothing when it lost all of its samples; or what went wrong, which next() throws when its turn
  // comes.
  struct Made {
    std::optional<Batch> batch;
    std::exception_ptr failure;
  };
  std::map<std::int64_t, Made> ready;
  std::vector<Batch> spare;
  std::vector<int> order;
  std::int64_t epoch = 0;
  std::int64_t first_image = 0;  // of `order` that this epoch was begun at
  std::int64_t to_make = 0, to_give = 0;
  std::atomic<bool> stopping{false};  // written under the mutex; read within a batch too, so that stopping is quick

  State(const Dataset& d, std::vector<int> i, const AugmentPipeline* a, LoaderOptions o)
      : dataset(d),
        indices(std::move(i)),
        augment(a),
        options(std::move(o)),
        cache(static_cast<std::size_t>(options.cache_mb) << 20) {}

  /// Of an epoch that is begun at an image.
  std::int64_t batches(std::int64_t first) const {
    const auto n = std::max<std::int64_t>(0, static_cast<std::int64_t>(indices.size()) - first);
    return (n + options.batch_size - 1) / options.batch_size;
  }

  void shuffle_order() {
    order = indices;
    if (!options.shuffle) return;
    sdk::Random random =
        RandomKey{{options.seed, 0}}.derive("order").derive(static_cast<std::uint64_t>(epoch)).random();
    for (std::size_t i = order.size(); i > 1; --i)
      std::swap(order[i - 1], order[random.below(static_cast<std::uint32_t>(i))]);
  }

  View load(int index) {
    if (auto known = cache.find(index)) return {known->image, known->labels};
    View view;
    const Image file = dataset.read_image(index);
    view.labels = resize_nearest(dataset.read_labels(index, file.size()), options.size);
    view.image = view_of(file, options.size, options.intensity);
    if (options.cache_mb > 0) cache.put(index, view);
    return view;
  }

  // The sample as the model takes it, at place `at` of the batch.
  void place(const plugin::Call& call, const Image& image, const Labels& labels, Batch& batch, std::size_t at) const {
    const auto size = static_cast<std::size_t>(options.size.area());
    write_planes(call.raw(), with_channels(root_pixels(image), options.channels), model_scale(options.intensity),
                 options.mean, options.std,
                 batch.image.data() + at * static_cast<std::size_t>(options.channels) * size);
    for (std::size_t p = 0; p < labels.planes().size(); ++p)
      std::memcpy(batch.planes.data() + (at * labels.planes().size() + p) * size, labels.planes()[p].data,
                  size * sizeof(std::int32_t));
    place_class_valid(labels, batch, at);
    if (labels.valid().empty()) {
      if (!batch.valid.empty()) std::memset(batch.valid.data() + at * size, 1, size);
      return;
    }
    if (batch.valid.empty()) {
      batch.valid.resize(static_cast<std::size_t>(options.batch_size) * size);
      std::memset(batch.valid.data(), 1, at * size);
    }
    std::memcpy(batch.valid.data() + at * size, labels.valid().data, size);
  }

  void place_class_valid(const Labels& labels, Batch& batch, std::size_t at) const {
    const auto classes = static_cast<std::size_t>(batch.classes);
    const auto& known = labels.class_valid();
    if (known.empty() && batch.class_valid.empty()) return;
    if (batch.class_valid.empty()) {
      batch.class_valid.resize(static_cast<std::size_t>(options.batch_size) * classes);
      std::memset(batch.class_valid.data(), 1, batch.class_valid.size());
    }
    if (!known.empty()) std::memcpy(batch.class_valid.data() + at * classes, known.data(), classes);
  }

  std::int64_t batches() const { return batches(first_image); }

  std::optional<Batch> make(std::int64_t number, Batch batch, std::int64_t in_epoch, const std::vector<int>& in_order) {
    const auto size = static_cast<std::size_t>(options.size.area());
    const auto first = static_cast<std::size_t>(first_image + number * options.batch_size);
    const std::size_t count = std::min(static_cast<std::size_t>(options.batch_size), in_order.size() - first);
    batch.channels = options.channels;
    batch.classes = static_cast<int>(dataset.classes().names.size());
    batch.planes_per_image = plane_count(batch.classes);
    batch.height = options.size.height;
    batch.width = options.size.width;
    batch.number = number;
    batch.end = static_cast<std::int64_t>(first + count);
    batch.indices.clear();
    batch.valid.clear();
    batch.class_valid.clear();
    batch.sample_weight.clear();
    if (dataset.has_weights()) batch.sample_weight.resize(count);
    batch.image.resize(count * static_cast<std::size_t>(options.channels) * size);
    batch.planes.resize(count * static_cast<std::size_t>(batch.planes_per_image) * size);
    plugin::CallOptions call_options;
    call_options.cancel = &stopping;
    const plugin::Call call(call_options);
    for (std::size_t i = 0; i < count; ++i) {
      if (stopping) return std::nullopt;  // stop() throws away what is being made
      const int index = in_order[first + i];
      const Sample& sample = dataset.samples()[static_cast<std::size_t>(index)];
      View view;
      try {
        view = load(index);
      } catch (const Error& e) {
        if (options.broken == nullptr) throw;
        options.broken->handle(sample, e);
        continue;
      }
      if (augment != nullptr)
        augment->apply(call, sample_key(options.seed, in_epoch, sample.id), view.image, view.labels);
      const std::size_t at = batch.indices.size();
      place(call, view.image, view.labels, batch, at);
      if (dataset.has_weights()) batch.sample_weight.data()[at] = static_cast<float>(sample.weight);
      batch.indices.push_back(index);
    }
    batch.n = static_cast<int>(batch.indices.size());
    if (batch.n == 0) return std::nullopt;
    batch.image.resize(static_cast<std::size_t>(batch.n * batch.channels) * size);
    batch.planes.resize(static_cast<std::size_t>(batch.n * batch.planes_per_image) * size);
    const auto n = static_cast<std::size_t>(batch.n);
    if (!batch.valid.empty()) batch.valid.resize(n * size);
    if (!batch.class_valid.empty()) batch.class_valid.resize(n * static_cast<std::size_t>(batch.classes));
    if (!batch.sample_weight.empty()) batch.sample_weight.resize(n);
    return batch;
  }

  // Fewer batches than workers would leave some of them idle for ever.
  int ahead() const { return std::max(options.prefetch, options.workers); }

  Batch take_spare() {
    if (spare.empty()) return {};
    Batch batch = std::move(spare.back());
    spare.pop_back();
    return batch;
  }

  void work() {
    std::unique_lock<std::mutex> lock(mutex);
    while (true) {
      changed.wait(lock, [&] { return stopping || (to_make < batches() && to_make < to_give + ahead()); });
      if (stopping) return;
      const std::int64_t number = to_make++;
      const std::int64_t in_epoch = epoch;
      const std::vector<int> in_order = order;
      Batch batch = take_spare();
      lock.unlock();
      Made made;
      try {
        made.batch = make(number, std::move(batch), in_epoch, in_order);
      } catch (...) {
        made.failure = std::current_exception();
      }
      lock.lock();
      ready[number] = std::move(made);
      changed.notify_all();
    }
  }

  void stop() {
    {
      const std::lock_guard<std::mutex> lock(mutex);
      stopping = true;
    }
    changed.notify_all();
    for (std::thread& thread : threads) thread.join();
    threads.clear();
    stopping = false;
  }
};

Loader::Loader(const Dataset& dataset, std::vector<int> indices, const AugmentPipeline* augment, LoaderOptions options)
    : state_(std::make_unique<State>(dataset, std::move(indices), augment, std::move(options))) {
  if (state_->indices.empty()) throw Error(ExitCode::kData, "there is no image to load");
  state_->to_make = state_->to_give = state_->batches();  // before the first epoch there is nothing to give
}

Loader::~Loader() { state_->stop(); }

const Dataset& Loader::dataset() const noexcept { return state_->dataset; }
std::int64_t Loader::images() const noexcept { return static_cast<std::int64_t>(state_->indices.size()); }

void Loader::start_epoch(std::int64_t epoch, std::int64_t first_image) {
  State& s = *state_;
  s.stop();  // an epoch that was left early must not go on into this one
  s.ready.clear();
  s.epoch = epoch;
  s.first_image = first_image;
  s.to_make = s.to_give = 0;
  s.shuffle_order();
  for (int i = 0; i < s.options.workers; ++i) s.threads.emplace_back([&s] { s.work(); });
}

std::optional<Batch> Loader::next() {
  State& s = *state_;
  while (s.to_give < s.batches()) {
    std::optional<Batch> batch;
    if (s.options.workers == 0) {
      batch = s.make(s.to_give, s.take_spare(), s.epoch, s.order);
      ++s.to_give;
    } else {
      std::unique_lock<std::mutex> lock(s.mutex);
      s.changed.wait(lock, [&] { return s.ready.count(s.to_give) > 0; });
      const auto found = s.ready.find(s.to_give);
      if (found->second.failure) std::rethrow_exception(found->second.failure);
      batch = std::move(found->second.batch);
      s.ready.erase(found);
      ++s.to_give;
      lock.unlock();
      s.changed.notify_all();
    }
    if (batch) return batch;
  }
  return std::nullopt;
}

void Loader::recycle(Batch&& batch) {
  const std::lock_guard<std::mutex> lock(state_->mutex);
  // As many as are ever in use: those that wait and the one in the caller's hands.
  if (state_->spare.size() <= static_cast<std::size_t>(state_->ahead())) state_->spare.push_back(std::move(batch));
}

}  // namespace osteon::data
