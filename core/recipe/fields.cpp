// SPDX-License-Identifier: Apache-2.0
#include "recipe/fields.hpp"

#include <stdexcept>
#include <type_traits>

namespace osteon::recipe {
namespace {

using plugin::ParameterSpec;
using plugin::ParameterType;
using plugin::ParameterValue;

constexpr double kNone = std::numeric_limits<double>::infinity();

template <class T>
ParameterValue wrap(const T& value) {
  if constexpr (std::is_same_v<T, bool>)
    return std::vector<bool>{value};
  else if constexpr (std::is_integral_v<T>)
    return std::vector<std::int64_t>{static_cast<std::int64_t>(value)};
  else if constexpr (std::is_floating_point_v<T>)
    return std::vector<double>{value};
  else if constexpr (std::is_same_v<T, std::vector<int>>)
    return std::vector<std::int64_t>(value.begin(), value.end());
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return std::vector<std::string>{value.string()};
  else if constexpr (std::is_same_v<T, std::string>)
    return std::vector<std::string>{value};
  else
    return value;
}

template <class T>
void unwrap(const ParameterValue& value, T& out) {
  if constexpr (std::is_same_v<T, bool>) {
    out = std::get<std::vector<bool>>(value)[0];
  } else if constexpr (std::is_integral_v<T>) {
    out = static_cast<T>(std::get<std::vector<std::int64_t>>(value)[0]);
  } else if constexpr (std::is_floating_point_v<T>) {
    out = std::get<std::vector<double>>(value)[0];
  } else if constexpr (std::is_same_v<T, std::vector<int>>) {
    const auto& list = std::get<std::vector<std::int64_t>>(value);
    out.assign(list.begin(), list.end());
  } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::filesystem::path>) {
    out = std::get<std::vector<std::string>>(value)[0];
  } else {
    out = std::get<T>(value);
  }
}

template <class T>
constexpr ParameterType type_of() {
  if constexpr (std::is_same_v<T, bool>)
    return ParameterType::kBool;
  else if constexpr (std::is_integral_v<T> || std::is_same_v<T, std::vector<int>>)
    return ParameterType::kInt;
  else if constexpr (std::is_floating_point_v<T> || std::is_same_v<T, std::vector<double>>)
    return ParameterType::kFloat;
  else if constexpr (std::is_same_v<T, std::filesystem::path>)
    return ParameterType::kPath;
  else
    return ParameterType::kString;
}

template <class T>
constexpr bool is_list = std::is_same_v<T, std::vector<int>> || std::is_same_v<T, std::vector<double>> ||
                         std::is_same_v<T, std::vector<std::string>>;

/// Builds a section field by field; `access` gives the member of a Recipe, whose initial value is the default.
class Builder {
 public:
  Builder(std::string name, std::string doc) { section_.name = std::move(name), section_.doc = std::move(doc); }

  template <class Access>
  Builder& add(const char* key, Access access, const char* doc) {
    using T = std::remove_reference_t<decltype(access(std::declval<Recipe&>()))>;
    Field field;
    field.spec.name = key;
    field.spec.type = type_of<T>();
    field.spec.list = is_list<T>;
    field.spec.doc = doc;
    Recipe defaults;
    field.spec.default_value = wrap<T>(access(defaults));
    field.assign = [access](Recipe& recipe, const ParameterValue& value) { unwrap(value, access(recipe)); };
    section_.fields.push_back(std::move(field));
    return *this;
  }
  Builder& required() { return last().default_value.reset(), *this; }
  Builder& between(double low, double high) { return last().minimum = low, last().maximum = high, *this; }
  Builder& at_least(double low) { return between(low, kNone); }
  Builder& count(std::uint64_t low, std::uint64_t high) {
    return last().min_count = low, last().max_count = high, *this;
  }
  Builder& unit(const char* text) { return last().unit = text, *this; }
  Builder& scalar_too() { return section_.fields.back().accepts_scalar = true, *this; }
  Builder& only_with(std::string name) { return section_.fields.back().only_with = std::move(name), *this; }
  Builder& choices(std::vector<std::string> values) {
    last().type = ParameterType::kChoice;
    last().choices = std::move(values);
    return *this;
  }
  Builder& map(MapField field) { return section_.maps.push_back(std::move(field)), *this; }
  Section done() { return std::move(section_); }

 private:
  ParameterSpec& last() { return section_.fields.back().spec; }
  Section section_;
};

Section top_section() {
  return Builder("", "The recipe itself")
      .add(
          "name", [](Recipe& r) -> std::string& { return r.name; }, "what the run is called")
      .add(
          "description", [](Recipe& r) -> std::string& { return r.description; }, "one line for people")
      .done();
}

Section data_section() {
  return Builder("data", "What is read, how it is split, and what the model sees of it")
      .add(
          "layout", [](Recipe& r) -> std::string& { return r.data.layout; }, "how files are laid out")
      .required()
      .choices({"boostcamp", "index_png", "class_png"})
      .add(
          "root", [](Recipe& r) -> std::filesystem::path& { return r.data.root; }, "folder of the data set")
      .required()
      .add(
          "kind", [](Recipe& r) -> std::string& { return r.data.kind; },
          "multilabel: classes overlap, sigmoid; multiclass: one class per pixel, softmax")
      .choices({"multilabel", "multiclass"})
      .add(
          "classes", [](Recipe& r) -> std::vector<std::string>& { return r.data.classes; },
          "class names in channel order")
      .required()
      .count(1, 4096)
      .add(
          "image_size", [](Recipe& r) -> std::vector<int>& { return r.data.image_size; },
          "what the model sees: one number for a square, or [height, width]")
      .required()
      .count(1, 2)
      .between(8, 16384)
      .unit("px")
      .scalar_too()
      .add(
          "channels", [](Recipe& r) -> int& { return r.data.channels; },
          "1: grey, 3: RGB; files of the other kind are converted")
      .between(1, 3)
      .add(
          "mean", [](Recipe& r) -> std::vector<double>& { return r.data.mean; },
          "per channel, subtracted from 0..1 intensities; empty: 0")
      .count(0, 3)
      .add(
          "std", [](Recipe& r) -> std::vector<double>& { return r.data.std; }, "per channel, divided by; empty: 1")
      .count(0, 3)
      .at_least(1e-6)
      .add(
          "intensity", [](Recipe& r) -> std::string& { return r.data.intensity; },
          "how grey values of unlike exposures become comparable, before mean and std. fixed: 0..1 of the file's "
          "depth; "
          "percentile: two percentiles of the image become 0 and 1; zscore: mean 0 and deviation 1, cut at 4; window: "
          "two "
          "values of 0..1 become 0 and 1")
      .choices({"fixed", "percentile", "zscore", "window"})
      .add(
          "intensity_range", [](Recipe& r) -> std::vector<double>& { return r.data.intensity_range; },
          "percentile: from and to, 0..100, without it 0.5 and 99.5; window: from and to, 0..1")
      .count(0, 2)
      .between(0, 100)
      .add(
          "intensity_of", [](Recipe& r) -> std::string& { return r.data.intensity_of; },
          "percentile and zscore: of the whole image, or of what is exposed: without flat frames at its borders, burnt "
          "in "
          "or beyond a collimator")
      .choices({"image", "exposed"})
      .add(
          "ignore_index", [](Recipe& r) -> int& { return r.data.ignore_index; },
          "index_png: pixels of this value are left out; -1: none")
      .between(-1, 65535)
      .add(
          "folds", [](Recipe& r) -> int& { return r.data.folds; }, "patient-grouped folds")
      .between(2, 1000)
      .add(
          "fold", [](Recipe& r) -> int& { return r.data.fold; }, "the fold that validates, from 0")
      .between(0, 999)
      .add(
          "seed", [](Recipe& r) -> std::int64_t& { return r.data.seed; }, "of the split into folds")
      .add(
          "on_broken", [](Recipe& r) -> std::string& { return r.data.on_broken; },
          "fail: a broken image or annotation stops; skip: it is named and counted")
      .choices({"fail", "skip"})
      .add(
          "absent", [](Recipe& r) -> std::string& { return r.data.absent; },
          "boostcamp and class_png: what a class without annotation in an image means. error: that it is broken; "
          "empty: "
          "that the class is not there; unknown: that nobody knows, and it counts nowhere")
      .choices({"error", "empty", "unknown"})
      .add(
          "weights", [](Recipe& r) -> std::filesystem::path& { return r.data.weights; },
          "CSV of `image,weight`: what training images count in the loss; those that it does not list count 1")
      .add(
          "workers", [](Recipe& r) -> int& { return r.data.workers; }, "loader threads; 0: load in the training thread")
      .between(0, 256)
      .add(
          "prefetch", [](Recipe& r) -> int& { return r.data.prefetch; },
          "batches that are made ahead, which bounds memory; one for each worker at least")
      .between(1, 1024)
      .add(
          "cache_mb", [](Recipe& r) -> int& { return r.data.cache_mb; }, "memory for decoded images; 0: none")
      .between(0, 1 << 24)
      .unit("MiB")
      .done();
}

Section train_section() {
  return Builder("train", "How it is trained")
      .add(
          "epochs", [](Recipe& r) -> int& { return r.train.epochs; },
          "passes over the training images; 0: none, the run keeps the model as it begins")
      .required()
      .between(0, 100000)
      .add(
          "batch_size", [](Recipe& r) -> int& { return r.train.batch_size; }, "images per forward")
      .between(1, 65536)
      .add(
          "accumulate", [](Recipe& r) -> int& { return r.train.accumulate; }, "batches per optimizer step")
      .between(1, 65536)
      .add(
          "precision", [](Recipe& r) -> std::string& { return r.train.precision; },
          "tf32: products of 10-bit mantissas on CUDA, elsewhere as fp32; amp: float16 on CUDA, bfloat16 on the CPU; "
          "parameters stay float32")
      .choices({"fp32", "tf32", "amp"})
      .add(
          "device", [](Recipe& r) -> std::string& { return r.train.device; },
          "auto: CUDA where there is one, else the CPU")
      .choices({"auto", "cpu", "cuda"})
      .add(
          "seed", [](Recipe& r) -> std::int64_t& { return r.train.seed; },
          "of weights, order, augmentation and dropout")
      .at_least(0)
      .add(
          "validate_every", [](Recipe& r) -> int& { return r.train.validate_every; }, "epochs; 0: after the last only")
      .between(0, 100000)
      .add(
          "validate_with", [](Recipe& r) -> std::string& { return r.train.validate_with; },
          "what validation during training predicts with. model: the model and the thresholds; chain: the "
          "post-processors too, up to the first that has to be fitted")
      .choices({"model", "chain"})
      .add(
          "gradient_clip", [](Recipe& r) -> double& { return r.train.gradient_clip; },
          "greatest norm of all gradients together; 0: none")
      .at_least(0)
      .add(
          "ema", [](Recipe& r) -> double& { return r.train.ema; },
          "decay of a moving average of the weights, which is kept; 0: none")
      .between(0, 0.999999)
      .add(
          "checkpoint_every", [](Recipe& r) -> int& { return r.train.checkpoint_every; }, "epochs between checkpoints")
      .between(1, 100000)
      .map({"head_weights", "weight of the loss on each of the model's outputs, by name, over the model's own", 0,
            kNone, [](Recipe& r, std::map<std::string, double> weights) { r.train.head_weights = std::move(weights); }})
      .done();
}

Section optimizer_section() {
  return Builder("train.optimizer", "AdamW (Adam with decoupled weight decay) or RMSprop")
      .add(
          "name", [](Recipe& r) -> std::string& { return r.train.optimizer.name; }, "the optimizer")
      .choices({"adamw", "rmsprop"})
      .add(
          "lr", [](Recipe& r) -> double& { return r.train.optimizer.lr; }, "learning rate")
      .at_least(0)
      .add(
          "weight_decay", [](Recipe& r) -> double& { return r.train.optimizer.weight_decay; },
          "adamw: decoupled from the gradient; rmsprop: added to it, times the weights")
      .at_least(0)
      .add(
          "decay", [](Recipe& r) -> std::string& { return r.train.optimizer.decay; },
          "what decays. all: every parameter; weights: all but those that the model says are none, such as biases and "
          "scales of normalisation")
      .choices({"all", "weights"})
      .add(
          "betas", [](Recipe& r) -> std::vector<double>& { return r.train.optimizer.betas; },
          "adamw: decay of the two moments")
      .count(2, 2)
      .between(0, 0.9999999)
      .only_with("adamw")
      .add(
          "alpha", [](Recipe& r) -> double& { return r.train.optimizer.alpha; },
          "rmsprop: decay of the mean of squared gradients")
      .between(0, 0.9999999)
      .only_with("rmsprop")
      .add(
          "momentum", [](Recipe& r) -> double& { return r.train.optimizer.momentum; },
          "rmsprop: share of the last step that is taken again")
      .between(0, 0.9999999)
      .only_with("rmsprop")
      .add(
          "eps", [](Recipe& r) -> double& { return r.train.optimizer.eps; }, "added to the denominator")
      .at_least(0)
      .done();
}

Section scheduler_section() {
  return Builder("train.scheduler", "How the learning rate changes")
      .add(
          "name", [](Recipe& r) -> std::string& { return r.train.scheduler.name; }, "the schedule")
      .choices({"cosine", "constant"})
      .add(
          "min_lr", [](Recipe& r) -> double& { return r.train.scheduler.min_lr; }, "where cosine ends")
      .at_least(0)
      .add(
          "warmup_epochs", [](Recipe& r) -> double& { return r.train.scheduler.warmup_epochs; },
          "linear rise at the start")
      .at_least(0)
      .add(
          "step", [](Recipe& r) -> std::string& { return r.train.scheduler.step; }, "how often the rate changes")
      .choices({"epoch", "iteration"})
      .done();
}

Section predict_section() {
  return Builder("predict", "How masks come out of it")
      .add(
          "threshold", [](Recipe& r) -> double& { return r.predict.threshold; },
          "probability above which a pixel is set")
      .between(0, 1)
      .add(
          "batch_size", [](Recipe& r) -> int& { return r.predict.batch_size; },
          "images (tiles, transforms) per forward")
      .between(1, 65536)
      .add(
          "device", [](Recipe& r) -> std::string& { return r.predict.device; },
          "of the model; auto: CUDA where there is one, else the CPU")
      .choices({"auto", "cpu", "cuda"})
      .add(
          "path", [](Recipe& r) -> std::string& { return r.predict.path; },
          "how the model runs. auto: the fastest of equal ways, which it finds as it predicts; plain: always as it is "
          "written, so that a prediction can be repeated to the bit")
      .choices({"auto", "plain"})
      .add(
          "cache_mb", [](Recipe& r) -> int& { return r.predict.cache_mb; },
          "memory for what post-processors keep of images from one request to the next; 0: none")
      .between(0, 1 << 24)
      .unit("MiB")
      .add(
          "memory_mb", [](Recipe& r) -> int& { return r.predict.memory_mb; },
          "memory for open models, which are given up and opened again in turns to keep it; 0: as much as they take")
      .between(0, 1 << 24)
      .unit("MiB")
      .map({"thresholds", "threshold of single classes, by name", 0, 1,
            [](Recipe& r, std::map<std::string, double> t) { r.predict.thresholds = std::move(t); }})
      .done();
}

Section plugins_section() {
  return Builder("plugins", "Which libraries it may be run with")
      .add(
          "allow", [](Recipe& r) -> std::vector<std::string>& { return r.plugins.allow; },
          "\"sha256:...\" of the library files that may be loaded; empty: any")
      .done();
}

Field number_field(const char* name, double value, double low, double high, const char* doc) {
  Field field;
  field.spec.name = name;
  field.spec.type = ParameterType::kFloat;
  field.spec.default_value = std::vector<double>{value};
  field.spec.minimum = low;
  field.spec.maximum = high;
  field.spec.doc = doc;
  return field;
}

}  // namespace

const std::vector<Section>& host_sections() {
  static const std::vector<Section> kSections = {top_section(),       data_section(),      train_section(),
                                                 optimizer_section(), scheduler_section(), predict_section(),
                                                 plugins_section()};
  return kSections;
}

const Section& host_section(const std::string& name) {
  for (const Section& section : host_sections())
    if (section.name == name) return section;
  throw std::logic_error("no such section: " + name);
}

const std::vector<Field>& component_fields(plugin::Kind kind) {
  static const std::vector<Field> kNothing;
  static const std::vector<Field> kLoss = [] {
    Field output;
    output.spec.name = "output";
    output.spec.type = ParameterType::kString;
    output.spec.default_value = std::vector<std::string>{""};
    output.spec.doc =
        "the output of the model that it is for, by name; empty: the main one and those for deep supervision";
    return std::vector<Field>{number_field("weight", 1, -kNone, kNone, "factor of this loss in the sum"), output};
  }();
  static const std::vector<Field> kAugmentation = {
      number_field("p", 1, 0, kNone, "probability; inside one_of and some_of a weight of the choice")};
  static const std::vector<Field> kModel = [] {
    Field weights, weights_key, strict, stem;
    weights.spec.name = "weights";
    weights.spec.type = ParameterType::kPath;
    weights.spec.default_value = std::vector<std::string>{""};
    weights.spec.doc = "safetensors (or an index of shards) or .pth to start from; empty: none";
    weights.assign = [](Recipe& r, const ParameterValue& v) { unwrap(v, r.model->weights); };
    weights_key.spec.name = "weights_key";
    weights_key.spec.type = ParameterType::kString;
    weights_key.spec.default_value = std::vector<std::string>{""};
    weights_key.spec.doc =
        "which state dict of `weights`, where the file has several: its key, as in model_ema or ema.model, or what its "
        "names begin with; empty: the usual one";
    weights_key.assign = [](Recipe& r, const ParameterValue& v) { unwrap(v, r.model->weights_key); };
    strict.spec.name = "strict";
    strict.spec.type = ParameterType::kBool;
    strict.spec.default_value = std::vector<bool>{false};
    strict.spec.doc = "missing, unexpected or misshapen weights are an error";
    strict.assign = [](Recipe& r, const ParameterValue& v) { unwrap(v, r.model->strict); };
    stem.spec.name = "stem";
    stem.spec.type = ParameterType::kChoice;
    stem.spec.choices = {"exact", "sum", "mean"};
    stem.spec.default_value = std::vector<std::string>{"exact"};
    stem.spec.doc =
        "weights for RGB in a model for other channels. exact: they do not fit; sum: their sum over RGB; mean: their "
        "mean";
    stem.assign = [](Recipe& r, const ParameterValue& v) { unwrap(v, r.model->stem); };
    return std::vector<Field>{weights, weights_key, strict, stem};
  }();
  static const std::vector<Field> kPostprocessor = [] {
    Field classes;
    classes.spec.name = "classes";
    classes.spec.type = ParameterType::kClasses;
    classes.spec.list = true;
    classes.spec.min_count = 1;
    classes.spec.doc = "classes that it acts on, and sees; without it: all";
    return std::vector<Field>{classes};
  }();
  switch (kind) {
    case plugin::Kind::kModel:
      return kModel;
    case plugin::Kind::kLoss:
      return kLoss;
    case plugin::Kind::kAugmentation:
      return kAugmentation;
    case plugin::Kind::kPostprocessor:
      return kPostprocessor;
    default:
      return kNothing;
  }
}

}  // namespace osteon::recipe
