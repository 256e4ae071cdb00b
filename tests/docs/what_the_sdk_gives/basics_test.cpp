// SPDX-License-Identifier: Apache-2.0
// What docs/author/what-the-sdk-gives.md shows of parameters, errors, the call, tensors, random numbers and vector
// code.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <limits>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include <osteon/sdk/cache.hpp>
#include <osteon/sdk/call.hpp>
#include <osteon/sdk/dispatch.hpp>
#include <osteon/sdk/parallel.hpp>
#include <osteon/sdk/params.hpp>
#include <osteon/sdk/predictor.hpp>
#include <osteon/sdk/random.hpp>
#include <osteon/sdk/tensor.hpp>
#include <osteon/sdk/testing.hpp>
#include <osteon/sdk/vector_math.hpp>

namespace {

using namespace osteon::sdk;

// Parameters.

struct Params {
  std::int64_t width = 16;
  double limit = 15;
  std::string mode = "mean";
  std::filesystem::path table;
  Range gamma{0.8, 1.25};
  IntRange holes{1, 4};
  std::vector<double> sigmas = {1, 2};
  ClassList only;

  static void schema(Schema<Params>& s) {
    s.add("width", &Params::width, "channels of the hidden layers").between(1, 1024);
    s.add("limit", &Params::limit, "greatest angle, either way").unit("degrees").between(0, 180);
    s.add("mode", &Params::mode, "what is made of several").choices({"mean", "maximum"});
    s.add("table", &Params::table, "a CSV file").required();
    s.add("gamma", &Params::gamma, "exponent of the intensities").at_least(0.01);
    s.add("holes", &Params::holes, "how many holes").between(0, 100);
    s.add("sigmas", &Params::sigmas, "widths of the filters").unit("px").at_least(0).count(1, 4).aliases({"scales"});
    s.add("only", &Params::only, "classes that it works on; none: all");
  }
};

TEST(TheSdkGives, Parameters) {
  const Schema<Params> schema;
  const auto& specs = schema.specs();
  ASSERT_EQ(specs.size(), 8u);
  const std::uint32_t types[] = {OSTEON_PARAM_INT,   OSTEON_PARAM_FLOAT,       OSTEON_PARAM_CHOICE,
                                 OSTEON_PARAM_PATH,  OSTEON_PARAM_FLOAT_RANGE, OSTEON_PARAM_INT_RANGE,
                                 OSTEON_PARAM_FLOAT, OSTEON_PARAM_CLASSES};
  for (std::size_t i = 0; i < specs.size(); ++i) EXPECT_EQ(specs[i]->type, types[i]) << specs[i]->name;
  EXPECT_STREQ(specs[1]->unit, "degrees");
  EXPECT_EQ(specs[2]->n_choices, 2u);
  EXPECT_EQ(specs[3]->flags, std::uint32_t{OSTEON_PARAM_REQUIRED});
  EXPECT_EQ(specs[6]->flags, std::uint32_t{OSTEON_PARAM_LIST});
  EXPECT_EQ(specs[6]->max_count, 4u);
  EXPECT_STREQ(specs[6]->aliases[0], "scales");
  EXPECT_EQ(specs[6]->default_value->count, 2u);
}

struct Lists {
  std::vector<std::filesystem::path> tables;
  std::vector<PredictorRef> others;
  std::vector<bool> flags = {true, false};
  std::vector<std::string> modes = {"mean"};
  std::vector<IntRange> rows;

  static void schema(Schema<Lists>& s) {
    s.add("tables", &Lists::tables, "CSV files");
    s.add("others", &Lists::others, "runs to predict with");
    s.add("flags", &Lists::flags, "what is on");
    s.add("modes", &Lists::modes, "what is made of several").choices({"mean", "maximum"});
    s.add("rows", &Lists::rows, "which rows");
  }
};

TEST(TheSdkGives, ListsOfEverything) {
  const Schema<Lists> schema;
  const char* const texts[] = {"/a.csv", "/b.csv"};
  auto predictor = sized<osteon_predictor>();
  const osteon_predictor* const predictors[] = {&predictor, &predictor};
  const std::int64_t numbers[] = {1, 4, 6, 9};
  std::vector<osteon_value> values;
  for (const osteon_param_spec* spec : schema.specs()) {
    EXPECT_EQ(spec->flags, std::uint32_t{OSTEON_PARAM_LIST});
    values.push_back(*spec->default_value);
  }
  values[0].strings = values[1].strings = texts;
  values[0].count = values[1].count = 2;
  values[1].predictors = predictors;
  values[4].ints = numbers;
  values[4].count = 4;
  const osteon_value* pointers[] = {&values[0], &values[1], &values[2], &values[3], &values[4]};
  const Lists read = schema.read(pointers);
  EXPECT_EQ(read.tables, (std::vector<std::filesystem::path>{"/a.csv", "/b.csv"}));
  EXPECT_EQ(read.others.at(1).predictor, &predictor);
  EXPECT_EQ(read.flags, (std::vector<bool>{true, false}));
  EXPECT_EQ(read.modes, std::vector<std::string>{"mean"});
  EXPECT_EQ(read.rows.at(1).high, 9);
}

// Errors.

void refuse_nan(const float* pixels, std::int64_t count) {
  if (std::any_of(pixels, pixels + count, [](float x) { return std::isnan(x); })) throw BadInput("the image holds NaN");
}

TEST(TheSdkGives, ErrorsWithAStatus) {
  const std::vector<float> fine = {0, 1}, bad = {0, std::numeric_limits<float>::quiet_NaN()};
  refuse_nan(fine.data(), 2);
  const auto status_of = [](auto&& body) { return detail::guard(nullptr, body); };
  EXPECT_EQ(status_of([&] { refuse_nan(bad.data(), 2); }), OSTEON_BAD_INPUT);
  EXPECT_EQ(status_of([] { throw InvalidArgument("x"); }), OSTEON_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([] { throw Unsupported("x"); }), OSTEON_UNSUPPORTED);
  EXPECT_EQ(status_of([] { throw Cancelled(); }), OSTEON_CANCELLED);
  EXPECT_EQ(status_of([] { throw std::bad_alloc(); }), OSTEON_OUT_OF_MEMORY);
  EXPECT_EQ(status_of([] { throw std::invalid_argument("x"); }), OSTEON_INVALID_ARGUMENT);
  EXPECT_EQ(status_of([] { throw std::runtime_error("x"); }), OSTEON_FAILED);
}

// The call.

double sum_of_squares(const Call& call, const float* values, std::int64_t rows, std::int64_t columns) {
  return parallel_sum(call, rows, [&](std::int64_t row, int /*thread*/) {
    double sum = 0;
    for (std::int64_t i = row * columns; i < (row + 1) * columns; ++i) sum += double{values[i]} * double{values[i]};
    return sum;
  });
}

int relax(const Call& call, const osteon_image& image, float* values, std::int64_t count) {
  const int steps = 20;
  for (int step = 0; step < steps; ++step) {
    call.stop_if_cancelled();
    for (std::int64_t i = 0; i < count; ++i) values[i] *= 0.5f;
    call.progress((step + 1.0) / steps);
  }
  call.note(image.root, "steps", steps);
  return steps;
}

TEST(TheSdkGives, LoopsThatStop) {
  osteon::sdk::testing::TestCall call;
  std::vector<float> values = {1, 2, 3, 4};
  EXPECT_EQ(sum_of_squares(call.get(), values.data(), 2, 2), 30);
  auto image = sized<osteon_image>();
  image.root = "hand.png";
  EXPECT_EQ(relax(call.get(), image, values.data(), 4), 20);
  EXPECT_EQ(call.notes.at("hand.png/steps"), "20");
  call.cancel = true;
  EXPECT_THROW(sum_of_squares(call.get(), values.data(), 2, 2), Cancelled);
  EXPECT_THROW(relax(call.get(), image, values.data(), 4), Cancelled);
}

OwnedTensor smoothed(const Call& call, const float* in, std::int64_t rows, std::int64_t columns) {
  OwnedTensor out = call.allocate<float>({rows, columns});                   // the receiver's; may outlive the call
  float* sums = call.scratch<float>(static_cast<std::size_t>(columns) + 1);  // until the call returns
  for (std::int64_t r = 0; r < rows; ++r) {
    sums[0] = 0;
    for (std::int64_t c = 0; c < columns; ++c) sums[c + 1] = sums[c] + in[r * columns + c];
    for (std::int64_t c = 0; c < columns; ++c) {
      const std::int64_t first = std::max<std::int64_t>(c - 1, 0), last = std::min(c + 2, columns);
      out.data<float>()[r * columns + c] = (sums[last] - sums[first]) / static_cast<float>(last - first);
    }
  }
  return out;
}

TEST(TheSdkGives, Memory) {
  const osteon::sdk::testing::TestCall call;
  const std::vector<float> row = {0, 3, 0, 0};
  const OwnedTensor out = smoothed(call.get(), row.data(), 1, 4);
  EXPECT_EQ(std::vector<float>(out.data<float>(), out.data<float>() + 4), (std::vector<float>{1.5, 1, 1, 0}));
  EXPECT_NO_THROW(call.get().allocate<float>({0, 3}).data<float>("an empty tensor"));
}

void work_in_halves(const Call& call, const std::vector<float>& in, std::int64_t columns) {
  CallOptions options;
  options.threads = std::max(1, call.threads() / 2);
  options.progress_begin = 0.5;  // its 0..1 is the second half of ours
  options.progress_end = 1;
  const DerivedCall second = call.derive(options);  // ended when it dies, and its scratch with it
  smoothed(second.get(), in.data(), static_cast<std::int64_t>(in.size()) / columns, columns);
}

TEST(TheSdkGives, CallsBeneathACall) {
  const osteon::sdk::testing::TestCall call(4);
  work_in_halves(call.get(), std::vector<float>(8), 4);
  EXPECT_EQ(call.derived, 0);
}

OwnedTensor histogram(const Call& call, const osteon_image& image) {
  const Cache cache(call, "my_post/1");  // another revision when what is made changes
  CacheKey key(image);
  key.add(std::int64_t{256});
  OwnedTensor found = cache.find(key);
  if (!found.empty()) return found;
  OwnedTensor made = call.allocate<std::int64_t>({256});
  std::fill_n(made.data<std::int64_t>(), 256, std::int64_t{0});
  const float* pixels = data_of<const float>(image.pixels, "an image");
  for (std::int64_t i = 0; i < element_count(image.pixels); ++i)
    ++made.data<std::int64_t>()[static_cast<std::size_t>(std::clamp(pixels[i], 0.0f, 1.0f) * 255)];
  return cache.keep(key, std::move(made));  // read only from here on
}

TEST(TheSdkGives, ACacheThatAHostMayNotHave) {
  const osteon::sdk::testing::TestCall call;
  const std::vector<float> pixels = {0, 1, 1};
  const BorrowedTensor view(pixels.data(), {1, 3, 1});
  auto image = sized<osteon_image>();
  image.pixels = view.view();
  const OwnedTensor made = histogram(call.get(), image);
  EXPECT_EQ(made.data<std::int64_t>()[0], 1);
  EXPECT_EQ(made.data<std::int64_t>()[255], 2);
}

// Tensors.

double mean_of(const osteon_tensor_view& view) {
  expect_shape(view, {-1, -1}, "a plane");                    // throws with both shapes
  const float* data = data_of<const float>(view, "a plane");  // throws unless float32, on the CPU, contiguous
  double sum = 0;
  for (std::int64_t i = 0; i < element_count(view); ++i) sum += double{data[i]};
  return sum / static_cast<double>(element_count(view));
}

bool has_class(const std::int32_t* planes, std::int64_t pixels, std::int64_t c, std::int64_t pixel) {
  const auto word = static_cast<std::uint32_t>(planes[c / 32 * pixels + pixel]);  // unsigned before it is shifted
  return (word >> (c % 32) & 1u) != 0;
}

void set_class(std::int32_t* planes, std::int64_t pixels, std::int64_t c, std::int64_t pixel) {
  const std::uint32_t bit = std::uint32_t{1} << (c % 32);
  std::int32_t& word = planes[c / 32 * pixels + pixel];
  word = static_cast<std::int32_t>(static_cast<std::uint32_t>(word) | bit);
}

TEST(TheSdkGives, Tensors) {
  std::vector<float> values = {1, 2, 3, 6};
  const BorrowedTensor view(values.data(), {2, 2});
  EXPECT_EQ(mean_of(view.view()), 3);
  EXPECT_THROW(mean_of(BorrowedTensor(values.data(), {4}).view()), InvalidArgument);
  EXPECT_EQ(dtype_of<bool>(), (osteon_dtype{OSTEON_DTYPE_BOOL, 8, 1}));
  std::vector<std::int32_t> planes(2 * 3);  // 64 classes, 3 pixels
  for (const std::int64_t c : {0, 31, 32, 63}) {
    EXPECT_FALSE(has_class(planes.data(), 3, c, 1));
    set_class(planes.data(), 3, c, 1);
    EXPECT_TRUE(has_class(planes.data(), 3, c, 1));
    EXPECT_FALSE(has_class(planes.data(), 3, c, 2));
  }
  EXPECT_FALSE(has_class(planes.data(), 3, 30, 1));
}

// Random numbers and vector code.

TEST(TheSdkGives, RandomNumbersThatAKeyDecides) {
  Random a(7, 9), b(7, 9), c(7, 10);
  for (int i = 0; i < 10; ++i) {
    const double x = a.uniform();
    EXPECT_EQ(x, b.uniform());
    EXPECT_NE(x, c.uniform());
    EXPECT_LT(a.below(6), 6u);
    b.below(6);
  }
}

OSTEON_MULTIVERSION void sigmoids(const float* x, std::int64_t count, float* p) {
  OSTEON_VECTOR_LOOP
  for (std::int64_t i = 0; i < count; ++i) p[i] = vector_sigmoid(x[i]).p;
}

TEST(TheSdkGives, VectorCode) {
  const std::vector<float> x = {-3, 0, 2};
  std::vector<float> p(3);
  sigmoids(x.data(), 3, p.data());
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(double{p[i]}, 1 / (1 + std::exp(-double{x[i]})), 1e-6);
}

using Eight = float __attribute__((vector_size(32), aligned(4), may_alias));

struct Doubled {
  template <class V>
  static OSTEON_INLINE void run(const float* x, float* y) {
    *reinterpret_cast<V*>(y) = *reinterpret_cast<const V*>(x) * 2.0f;
  }
};

void doubled(const float* x, float* y) { dispatch<Doubled, Eight, Eight, Eight>(x, y); }

TEST(TheSdkGives, CodeForEachInstructionSet) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<float> y(8);
  doubled(x.data(), y.data());
  for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(y[i], 2 * x[i]);
}

}  // namespace
