// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/phantom.hpp"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "base/error.hpp"
#include "base/file.hpp"
#include "support/temporary_folder.hpp"

namespace osteon::data {
namespace {
namespace fs = std::filesystem;

using test::TemporaryFolder;

std::vector<fs::path> files_in(const fs::path& folder) {
  std::vector<fs::path> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder));
  }
  std::sort(files.begin(), files.end());
  return files;
}

cv::Mat label_of(const PhantomHand& hand, std::size_t c) {
  cv::Mat mask(hand.image.size(), CV_8UC1, cv::Scalar(0));
  cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{hand.outlines[c]}, cv::Scalar(255));
  return mask;
}

bool same(const cv::Mat& a, const cv::Mat& b) { return a.size() == b.size() && cv::norm(a, b, cv::NORM_INF) == 0; }

/// Published means over a real data set, right hands, 2048 x 2048 pixels: area, centre x and y, box width and height.
struct Published {
  const char* name;
  double area, x, y, width, height;
};
constexpr Published kPublished[] = {
    {"finger-1", 7985, 523, 940, 120, 145},     {"finger-2", 16987, 598, 1102, 159, 233},
    {"finger-3", 28456, 720, 1323, 258, 286},   {"finger-4", 5385, 781, 432, 69, 121},
    {"finger-5", 10612, 800, 571, 96, 167},     {"finger-6", 22714, 839, 798, 155, 313},
    {"finger-7", 37532, 896, 1166, 165, 478},   {"finger-8", 6204, 1026, 353, 75, 129},
    {"finger-9", 13519, 1020, 514, 96, 196},    {"finger-10", 25561, 1021, 773, 113, 328},
    {"finger-11", 35049, 1022, 1145, 128, 460}, {"finger-12", 6092, 1246, 448, 73, 132},
    {"finger-13", 12069, 1222, 603, 101, 191},  {"finger-14", 21472, 1180, 844, 127, 310},
    {"finger-15", 26262, 1123, 1181, 147, 402}, {"finger-16", 4163, 1475, 704, 79, 116},
    {"finger-17", 6588, 1422, 805, 105, 129},   {"finger-18", 15134, 1331, 965, 170, 238},
    {"finger-19", 26643, 1212, 1241, 196, 364}, {"Trapezium", 10154, 884, 1445, 120, 130},
    {"Trapezoid", 6212, 931, 1426, 92, 90},     {"Capitate", 15886, 1017, 1455, 124, 176},
    {"Hamate", 11641, 1105, 1439, 120, 146},    {"Scaphoid", 10404, 950, 1529, 119, 125},
    {"Lunate", 7974, 1051, 1571, 114, 97},      {"Triquetrum", 7480, 1134, 1519, 113, 108},
    {"Pisiform", 4355, 1143, 1532, 70, 84},     {"Radius", 74033, 952, 1773, 235, 523},
    {"Ulna", 37175, 1139, 1819, 134, 442},
};

TEST(PhantomTest, HasTheTwentyNineClassesInTheCompetitionsOrder) {
  ASSERT_EQ(phantom_classes().size(), std::size(kPublished));
  for (std::size_t c = 0; c < phantom_classes().size(); ++c) EXPECT_EQ(phantom_classes()[c], kPublished[c].name);
}

TEST(PhantomTest, MeanGeometryFollowsPublishedFiguresOfRealHands) {
  PhantomOptions options;
  options.size = 512;
  options.seed = 11;
  options.bent_fraction = 0;
  constexpr int kPatients = 40;
  const double scale = 2048.0 / options.size;
  std::vector<Published> mean(std::size(kPublished), Published{});
  std::map<std::pair<std::string, std::string>, double> overlap = {
      {{"Triquetrum", "Pisiform"}, 0}, {{"Trapezium", "Trapezoid"}, 0}, {{"Scaphoid", "Radius"}, 0}};
  for (int patient = 0; patient < kPatients; ++patient) {
    const PhantomHand hand = render_phantom(options, patient, true);
    ASSERT_EQ(hand.outlines.size(), mean.size());
    std::map<std::string, cv::Mat> labels;
    for (std::size_t c = 0; c < mean.size(); ++c) {
      const cv::Mat label = labels[kPublished[c].name] = label_of(hand, c);
      const cv::Moments m = cv::moments(label, true);
      const cv::Rect box = cv::boundingRect(label);
      mean[c].area += m.m00 * scale * scale / kPatients;
      mean[c].x += (m.m10 / m.m00 + 0.5) * scale / kPatients;
      mean[c].y += (m.m01 / m.m00 + 0.5) * scale / kPatients;
      mean[c].width += box.width * scale / kPatients;
      mean[c].height += box.height * scale / kPatients;
    }
    for (auto& [pair, pixels] : overlap) {
      pixels += cv::countNonZero(labels[pair.first] & labels[pair.second]) * scale * scale / kPatients;
    }
  }
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const Published& real = kPublished[c];
    EXPECT_NEAR(mean[c].area / real.area, 1, 0.15) << real.name;
    EXPECT_LT(std::hypot(mean[c].x - real.x, mean[c].y - real.y), 0.03 * 2048) << real.name;
    EXPECT_NEAR(mean[c].width / real.width, 1, 0.20) << real.name;
    EXPECT_NEAR(mean[c].height / real.height, 1, 0.20) << real.name;
  }
  const double pisiform = overlap[{"Triquetrum", "Pisiform"}], trapezoid = overlap[{"Trapezium", "Trapezoid"}],
               scaphoid = overlap[{"Scaphoid", "Radius"}];
  EXPECT_NEAR(pisiform / 3544, 1, 0.25);
  EXPECT_NEAR(trapezoid / 2878, 1, 0.25);
  EXPECT_NEAR(scaphoid / 1517, 1, 0.40);
  EXPECT_GT(pisiform, trapezoid);
  EXPECT_GT(trapezoid, scaphoid);
}

TEST(PhantomTest, EveryBoneOfEveryHandIsInTheImageBentOrNot) {
  PhantomOptions options;
  options.size = 256;
  options.bent_fraction = 0.5;
  for (int patient = 0; patient < 24; ++patient) {
    for (const bool right : {true, false}) {
      const PhantomHand hand = render_phantom(options, patient, right);
      for (std::size_t c = 0; c < hand.outlines.size(); ++c) {
        const cv::Mat label = label_of(hand, c);
        const cv::Rect box = cv::boundingRect(hand.outlines[c]);
        const double expected = kPublished[c].area / 64;
        EXPECT_GT(cv::countNonZero(label), 0.45 * expected) << phantom_classes()[c] << " of patient " << patient;
        EXPECT_EQ(box & cv::Rect(0, 0, 256, 256), box);
        // Bones of the hand are whole; only the forearm is cut by the lower edge.
        if (c < 27) {
          EXPECT_EQ(box & cv::Rect(1, 1, 254, 254), box) << phantom_classes()[c] << " of patient " << patient;
        }
      }
    }
  }
}

TEST(PhantomTest, OutlineFilledByOpenCvIsExactlyTheRegionThatItOutlines) {
  PhantomOptions options;
  for (const int size : {128, 512, 1024}) {
    options.size = size;
    const PhantomHand hand = render_phantom(options, 1, false);
    for (std::size_t c = 0; c < hand.outlines.size(); ++c) {
      std::vector<std::vector<cv::Point>> again;
      cv::findContours(label_of(hand, c), again, cv::RETR_LIST, cv::CHAIN_APPROX_SIMPLE);
      ASSERT_EQ(again.size(), 1u) << phantom_classes()[c] << " at " << size << " has holes or parts";
      EXPECT_EQ(cv::contourArea(again[0]), cv::contourArea(hand.outlines[c])) << phantom_classes()[c];
    }
  }
}

// What is thinner than a pixel has an outline of one or two.
TEST(PhantomTest, OutlinesArePolygonsInTheSmallestImageToo) {
  PhantomOptions options;
  options.size = 64;
  for (int patient = 0; patient < 12; ++patient)
    for (const bool right : {true, false}) {
      const PhantomHand hand = render_phantom(options, patient, right);
      for (std::size_t c = 0; c < hand.outlines.size(); ++c) {
        EXPECT_GE(hand.outlines[c].size(), 3u) << phantom_classes()[c] << " of patient " << patient;
        EXPECT_GT(cv::countNonZero(label_of(hand, c)), 0);
      }
    }
}

TEST(PhantomTest, LabelsDoNotDependOnTheSizeOfTheImage) {
  PhantomOptions small, large;
  small.size = 256;
  large.size = 1024;
  const PhantomHand a = render_phantom(small, 0, true), b = render_phantom(large, 0, true);
  for (std::size_t c = 0; c < a.outlines.size(); ++c) {
    cv::Mat reduced;
    cv::resize(label_of(b, c), reduced, a.image.size(), 0, 0, cv::INTER_AREA);
    const cv::Mat label = label_of(a, c), other = reduced > 127;
    const double shared = cv::countNonZero(label & other);
    EXPECT_GT(2 * shared / (cv::countNonZero(label) + cv::countNonZero(other)), 0.95) << phantom_classes()[c];
  }
}

TEST(PhantomTest, BonesAreBrighterThanTheTissueAroundThemAndOverlapsBrighterStill) {
  PhantomOptions options;
  options.size = 512;
  options.bent_fraction = 0;
  int clear = 0, overlaps_brighter = 0;
  constexpr int kPatients = 10;
  for (int patient = 0; patient < kPatients; ++patient) {
    const PhantomHand hand = render_phantom(options, patient, true);
    ASSERT_EQ(hand.image.type(), CV_8UC3);
    cv::Mat grey, all(hand.image.size(), CV_8UC1, cv::Scalar(0));
    cv::extractChannel(hand.image, grey, 0);
    for (std::size_t c = 0; c < hand.outlines.size(); ++c) all |= label_of(hand, c);
    const cv::Mat bone = label_of(hand, 9);
    cv::Mat around;
    cv::dilate(bone, around, cv::Mat::ones(11, 11, CV_8U));
    around &= ~all;
    clear += cv::mean(grey, bone)[0] > cv::mean(grey, around)[0] + 8;
    const cv::Mat triquetrum = label_of(hand, 25), pisiform = label_of(hand, 26);
    overlaps_brighter += cv::mean(grey, triquetrum & pisiform)[0] > cv::mean(grey, triquetrum & ~pisiform)[0];
  }
  EXPECT_EQ(clear, kPatients);
  EXPECT_EQ(overlaps_brighter, kPatients);
}

TEST(PhantomTest, TheThreeChannelsAreEqual) {
  PhantomOptions options;
  options.size = 128;
  std::vector<cv::Mat> channels;
  cv::split(render_phantom(options, 2, true).image, channels);
  EXPECT_TRUE(same(channels[0], channels[1]));
  EXPECT_TRUE(same(channels[0], channels[2]));
}

TEST(PhantomTest, SameArgumentsDrawTheSameHandAndOthersAnother) {
  PhantomOptions options;
  options.size = 192;
  const PhantomHand hand = render_phantom(options, 3, true);
  const PhantomHand again = render_phantom(options, 3, true);
  EXPECT_TRUE(same(hand.image, again.image));
  EXPECT_EQ(hand.outlines, again.outlines);
  EXPECT_FALSE(same(hand.image, render_phantom(options, 4, true).image));
  options.patients = 7;  // how many others there are does not matter
  EXPECT_TRUE(same(hand.image, render_phantom(options, 3, true).image));
  options.seed = 2;
  EXPECT_FALSE(same(hand.image, render_phantom(options, 3, true).image));
}

TEST(PhantomTest, LeftAndRightHandOfAPatientAreMirroredButNotIdentical) {
  PhantomOptions options;
  options.size = 256;
  options.bent_fraction = 0;
  const PhantomHand right = render_phantom(options, 5, true), left = render_phantom(options, 5, false);
  const auto centre_x = [](const PhantomHand& hand, std::size_t c) {
    const cv::Moments m = cv::moments(hand.outlines[c]);
    return m.m10 / m.m00;
  };
  EXPECT_LT(centre_x(right, 0), centre_x(right, 15));  // thumb left of the little finger
  EXPECT_GT(centre_x(left, 0), centre_x(left, 15));
  cv::Mat flipped;
  cv::flip(left.image, flipped, 1);
  EXPECT_FALSE(same(flipped, right.image));
  // One person: areas of the same bones agree far better than between strangers.
  for (std::size_t c = 0; c < 27; ++c) {
    EXPECT_NEAR(cv::contourArea(left.outlines[c]) / cv::contourArea(right.outlines[c]), 1, 0.35) << c;
  }
}

TEST(PhantomTest, FractionsDecideHowManyPatientsWearARingOrAreBent) {
  PhantomOptions options;
  options.ring_fraction = 0.1;
  options.bent_fraction = 0.25;
  int rings = 0, bent = 0, young = 0;
  for (int patient = 0; patient < 200; ++patient) {
    const PhantomPatient facts = phantom_patient(options, patient);
    rings += facts.ring;
    bent += facts.bent;
    young += facts.age < 1;
  }
  EXPECT_EQ(rings, 20);
  EXPECT_EQ(bent, 50);
  EXPECT_NEAR(young, 40, 20);
}

TEST(PhantomTest, ARingIsABrightBandOnOneHandOnly) {
  PhantomOptions with, without;
  with.size = without.size = 256;
  with.ring_fraction = 1;
  without.ring_fraction = 0;
  int changed = 0;
  for (const bool right : {true, false}) {
    changed += !same(render_phantom(with, 0, right).image, render_phantom(without, 0, right).image);
  }
  EXPECT_EQ(changed, 1);
}

TEST(PhantomTest, RefusesOptionsOutOfRangeAndNamesThem) {
  const auto message = [](PhantomOptions options) -> std::string {
    try {
      options.check();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ExitCode::kUsage);
      return e.what();
    }
    return "accepted";
  };
  PhantomOptions options;
  EXPECT_EQ(message(options), "accepted");
  options.patients = 0;
  EXPECT_NE(message(options).find("patients is 0"), std::string::npos);
  options = {};
  options.size = 63;
  EXPECT_NE(message(options).find("size is 63"), std::string::npos);
  options = {};
  options.ring_fraction = std::nan("");
  EXPECT_NE(message(options).find("ring_fraction"), std::string::npos);
  EXPECT_THROW(render_phantom({}, -1, true), Error);
}

PhantomOptions tiny() {
  PhantomOptions options;
  options.patients = 2;
  options.test_patients = 1;
  options.size = 96;
  return options;
}

TEST(PhantomTest, WritesTheCompetitionsLayoutWithItsTraps) {
  const TemporaryFolder out;
  std::vector<int> seen;
  write_phantom(
      tiny(), out.path(),
      [&](int done, int total) {
        EXPECT_EQ(total, 6);
        seen.push_back(done);
      },
      2);
  EXPECT_EQ(seen, (std::vector<int>{1, 2, 3, 4, 5, 6}));

  int images = 0;
  std::set<std::string> orders;
  for (const fs::path& file : files_in(out.path())) {
    if (file.extension() != ".png") continue;
    ++images;
    const std::string part = *file.begin(), folder = file.parent_path().filename(), stem = file.stem();
    EXPECT_EQ(part, folder == "ID003" ? "test" : "train");
    ASSERT_EQ(stem.size(), std::string("image1661130828152_R").size());
    const cv::Mat image = cv::imread((out.path() / file).string(), cv::IMREAD_UNCHANGED);
    EXPECT_EQ(image.type(), CV_8UC3);
    EXPECT_EQ(image.size(), cv::Size(96, 96));

    const auto json = nlohmann::json::parse(read_file(out.path() / part / "outputs_json" / folder / (stem + ".json")));
    std::set<std::string> keys;
    for (const auto& [key, value] : json.items()) keys.insert(key);
    EXPECT_EQ(keys, (std::set<std::string>{"annotations", "attributes", "file_id", "filename", "parent_path",
                                           "last_modifier_id", "metadata", "last_workers"}));
    EXPECT_EQ(json["filename"], stem + ".jpg");
    EXPECT_EQ(json["metadata"]["width"], 3060);
    EXPECT_EQ(json["metadata"]["height"], 3060);
    std::set<std::string> labels;
    std::string order;
    for (const auto& annotation : json["annotations"]) {
      labels.insert(annotation["label"]);
      order += annotation["label"].get<std::string>() + ' ';
      EXPECT_EQ(annotation["type"], "poly_seg");
      EXPECT_TRUE(annotation["id"].is_string());
      EXPECT_TRUE(annotation["attributes"].is_object());
      for (const auto& point : annotation["points"]) {
        ASSERT_TRUE(point.at(0).is_number_integer() && point.at(1).is_number_integer());
      }
    }
    EXPECT_EQ(labels, std::set<std::string>(phantom_classes().begin(), phantom_classes().end()));
    orders.insert(order);
  }
  EXPECT_EQ(images, 6);
  EXPECT_EQ(orders.size(), 6u);  // map by label, never by position
  const auto description = nlohmann::json::parse(read_file(out.path() / "phantom.json"));
  EXPECT_EQ(description["options"]["size"], 96);
  EXPECT_EQ(description["patients"].size(), 3u);
}

TEST(PhantomTest, FilesDoNotDependOnTheNumberOfThreads) {
  const TemporaryFolder out;
  write_phantom(tiny(), out.path() / "one", {}, 1);
  write_phantom(tiny(), out.path() / "three", {}, 3);
  const std::vector<fs::path> files = files_in(out.path() / "one");
  ASSERT_EQ(files.size(), 14u);
  ASSERT_EQ(files, files_in(out.path() / "three"));
  for (const fs::path& file : files) {
    EXPECT_EQ(sha256_file(out.path() / "one" / file), sha256_file(out.path() / "three" / file)) << file;
  }
}

TEST(PhantomTest, AnInterruptedRunNeverLooksFinishedAndMayBeOverwritten) {
  const TemporaryFolder out;
  const auto stop = [](int done, int) {
    if (done == 2) throw Interrupted();
  };
  EXPECT_THROW(write_phantom(tiny(), out.path(), stop, 2), Interrupted);
  EXPECT_FALSE(fs::exists(out.path() / "phantom.json"));
  EXPECT_THROW(write_phantom(tiny(), out.path()), Error);
  write_phantom(tiny(), out.path(), {}, 1, true);
  EXPECT_TRUE(fs::exists(out.path() / "phantom.json"));
  EXPECT_EQ(files_in(out.path()).size(), 14u);
}

TEST(PhantomTest, RefusesToMixWithOtherFilesOrAnEarlierPhantom) {
  const TemporaryFolder out;
  fs::create_directories(out.path());
  std::ofstream(out.path() / "thesis.txt") << "precious";
  for (const bool overwrite : {false, true}) {
    EXPECT_THROW(write_phantom(tiny(), out.path(), {}, 1, overwrite), Error);
    EXPECT_EQ(files_in(out.path()), (std::vector<fs::path>{"thesis.txt"}));
  }
  write_phantom(tiny(), out.path() / "new");
  EXPECT_THROW(write_phantom(tiny(), out.path() / "new"), Error);
  PhantomOptions smaller = tiny();
  smaller.patients = 1;
  smaller.test_patients = 0;
  write_phantom(smaller, out.path() / "new", {}, 1, true);
  EXPECT_EQ(files_in(out.path() / "new").size(), 6u);
}

}  // namespace
}  // namespace osteon::data
