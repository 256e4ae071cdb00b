// What is particular to this post-processor. What every one has to keep (forms, grids, classes, errors from within,
// ...) is checked by `osteon plugins validate`.
#include <algorithm>
#include <cstdio>
#include <vector>

#include <osteon/sdk/testing.hpp>

#include "__name__.hpp"

namespace {

using namespace osteon::sdk;

// A predictor whose logits are 6 everywhere.
osteon_status predict_six(const osteon_call* call, const osteon_predictor*, std::uint64_t n,
                          const osteon_image* const* images, const osteon_predict_request* request,
                          osteon_prediction* const* predictions, osteon_error*) {
  for (std::uint64_t i = 0; i < n; ++i) {
    OwnedTensor logits = Call(call).allocate<float>({1, images[i]->pixels.shape[0], images[i]->pixels.shape[1]});
    std::fill_n(logits.data<float>(), element_count(logits.view()), 6.0f);
    predictions[i]->form = request->form;
    predictions[i]->to_image[0] = predictions[i]->to_image[4] = 1;
    logits.move_to(&predictions[i]->values);
  }
  return OSTEON_OK;
}

}  // namespace

int main() {
  // The host's resampler, for which there is nothing to do here.
  const osteon_resample_service nothing_to_do = {
      sizeof(osteon_resample_service), 0,
      [](const osteon_call*, const osteon_predictor*, const osteon_predict_request*, std::int64_t, std::int64_t,
         osteon_prediction*, osteon_error*) -> osteon_status { return OSTEON_OK; }};
  testing::TestCall call;
  call.services[OSTEON_SERVICE_RESAMPLE] = &nothing_to_do;

  auto inner = sized<osteon_predictor>();
  inner.labels = OSTEON_LABELS_MULTILABEL;
  inner.n_classes = 1;
  inner.predict = predict_six;

  std::vector<float> pixels(6, 0.5f);
  const BorrowedTensor view(pixels.data(), {2, 3, 1});
  auto image = sized<osteon_image>();
  image.pixels = view.view();

  __Class__::Params params;
  params.temperature = 2;
  const auto predictions =
      __Class__(params, {})
          .process(call.get(), Predictor(&inner), {&image}, make_request(OSTEON_FORM_LOGITS, OSTEON_GRID_IMAGE));
  const float* logits = predictions.at(0).data();
  std::printf("a logit of 6 at temperature 2: %g, expected 3\n", static_cast<double>(logits[0]));
  return std::all_of(logits, logits + 6, [](float x) { return x == 3; }) ? 0 : 1;
}
