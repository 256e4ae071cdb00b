// SPDX-License-Identifier: Apache-2.0
#include "data/phantom/templates.hpp"

#include <map>
#include <string>

#include "base/error.hpp"

namespace osteon::data::phantom {
namespace {

/// Closes half an outline (x >= 0, base to head, first and last point on the axis) by its mirror image.
Outline symmetric(const Outline& half) {
  Outline whole = half;
  for (std::size_t i = half.size() - 2; i > 0; --i) whole.emplace_back(-half[i].x, half[i].y);
  return whole;
}

// A cupped base, a flare, a waist nearer to the head, and a head of two condyles with a groove between.
const Outline kProximal = {{0, -.030},   {.40, -.014}, {.78, 0},     {.98, -.022}, {1.0, -.070}, {.90, -.150},
                           {.72, -.260}, {.61, -.400}, {.56, -.560}, {.56, -.700}, {.62, -.800}, {.72, -.880},
                           {.76, -.930}, {.70, -.975}, {.48, -1.0},  {.22, -.992}, {0, -.980}};

const Outline kMiddle = {{0, -.018},   {.22, -.030}, {.55, -.030}, {.82, 0},     {1.0, -.030}, {1.0, -.090},
                         {.86, -.180}, {.69, -.300}, {.60, -.440}, {.57, -.600}, {.62, -.740}, {.74, -.850},
                         {.80, -.915}, {.76, -.970}, {.54, -1.0},  {.24, -.986}, {0, -.970}};

// The tuft: a spade with a ragged rim beyond a thin waist.
const Outline kDistal = {{0, -.040},   {.42, -.025}, {.80, 0},     {1.0, -.060}, {.97, -.145}, {.83, -.245},
                         {.65, -.360}, {.55, -.490}, {.53, -.600}, {.58, -.690}, {.69, -.770}, {.74, -.850},
                         {.67, -.925}, {.48, -.970}, {.22, -1.0},  {0, -.992}};

// A blocky base, a long concave shaft that is narrowest nearer to the base, a round head with small shoulders.
const Outline kMetacarpal = {{0, .004},    {.45, .006},  {.82, 0},     {1.0, -.045}, {.97, -.110}, {.80, -.190},
                             {.62, -.300}, {.53, -.430}, {.52, -.560}, {.58, -.680}, {.72, -.780}, {.88, -.850},
                             {.93, -.895}, {.84, -.940}, {.76, -.965}, {.50, -.992}, {0, -1.0}};

// The saddle of the thumb's base and its broad, flat head.
const Outline kThumbMetacarpal = {{0, -.035},   {.45, -.010}, {.80, -.005}, {1.0, -.070}, {.93, -.170},
                                  {.76, -.290}, {.66, -.430}, {.64, -.570}, {.70, -.700}, {.86, -.810},
                                  {.97, -.880}, {.94, -.940}, {.74, -.980}, {.40, -1.0},  {0, -.996}};

/// What tells the four metacarpals apart is their base: the cleft of the second, the styloid process of the third.
Outline metacarpal(std::string_view name) {
  Outline whole = symmetric(kMetacarpal);
  const std::size_t last = whole.size() - 1;  // knots 1..3 are the ulnar corner of the base, last.. the radial one
  if (name == "finger-7") {
    whole[0].y = -.036;
    whole[1].y = -.022;
    whole[2].y = .012;
    whole[last - 1].x = -.92;
  } else if (name == "finger-11") {
    whole[last].y = .002;
    whole[last - 1].y = .022;
    whole[2].y = -.020;
  } else if (name == "finger-15") {
    whole[2].y = -.012;
    whole[3].x = .92;
  } else {
    whole[2] = {.92, -.045};
    whole[3] = {1.08, -.095};
    whole[last - 1].y = .006;
  }
  return whole;
}

const std::map<std::string_view, Outline>& carpals() {
  static const std::map<std::string_view, Outline> knots = {
      // A four-sided block; its radial side is the hollow half of the thumb's saddle joint.
      {"Trapezium",
       {{842, 1416},
        {862, 1388},
        {893, 1380},
        {926, 1390},
        {943, 1416},
        {940, 1452},
        {926, 1486},
        {897, 1508},
        {864, 1502},
        {842, 1478},
        {838, 1450}}},
      {"Trapezoid",
       {{892, 1398},
        {912, 1383},
        {940, 1390},
        {960, 1381},
        {976, 1396},
        {974, 1430},
        {963, 1460},
        {940, 1470},
        {912, 1454},
        {894, 1426}}},
      // A round head (proximal, below) on a waisted body.
      {"Capitate",
       {{957, 1386},
        {982, 1369},
        {1018, 1372},
        {1054, 1367},
        {1077, 1384},
        {1074, 1424},
        {1062, 1456},
        {1066, 1492},
        {1057, 1524},
        {1031, 1542},
        {1002, 1537},
        {983, 1512},
        {981, 1474},
        {969, 1436}}},
      // A wedge whose point reaches down between capitate and triquetrum.
      {"Hamate",
       {{1056, 1386},
        {1084, 1370},
        {1112, 1374},
        {1142, 1384},
        {1164, 1410},
        {1158, 1441},
        {1134, 1466},
        {1108, 1490},
        {1084, 1511},
        {1067, 1502},
        {1060, 1468},
        {1052, 1428}}},
      // A bean around the capitate's head: tubercle above left, proximal pole below right.
      {"Scaphoid",
       {{893, 1500},
        {904, 1475},
        {930, 1467},
        {956, 1478},
        {970, 1504},
        {988, 1526},
        {1008, 1546},
        {1008, 1574},
        {984, 1591},
        {950, 1588},
        {920, 1564},
        {902, 1532}}},
      // A crescent, hollow towards the capitate.
      {"Lunate",
       {{998, 1562},
        {1010, 1543},
        {1034, 1550},
        {1060, 1543},
        {1082, 1524},
        {1104, 1534},
        {1107, 1566},
        {1094, 1598},
        {1066, 1618},
        {1030, 1618},
        {1004, 1602},
        {994, 1582}}},
      {"Triquetrum",
       {{1082, 1526},
        {1100, 1500},
        {1128, 1472},
        {1160, 1465},
        {1184, 1478},
        {1189, 1508},
        {1172, 1542},
        {1146, 1570},
        {1114, 1570},
        {1088, 1552}}},
      {"Pisiform",
       {{1110, 1526},
        {1124, 1500},
        {1150, 1490},
        {1172, 1506},
        {1178, 1536},
        {1164, 1566},
        {1140, 1574},
        {1116, 1556}}},
  };
  return knots;
}

// The styloid process on the thumb's side, two shallow facets for scaphoid and lunate, the notch for the ulna.
const Outline kRadiusKnots = {{866, 1508},  {848, 1536},  {838, 1590},  {848, 1650},  {868, 1720},  {884, 1800},
                              {894, 1900},  {898, 2050},  {900, 2250},  {900, 2500},  {1012, 2500}, {1012, 2250},
                              {1012, 2050}, {1017, 1900}, {1030, 1800}, {1047, 1720}, {1066, 1660}, {1070, 1622},
                              {1052, 1602}, {1020, 1604}, {990, 1597},  {957, 1574},  {925, 1541},  {891, 1512}};

// A round head and, away from the radius, a small styloid process.
const Outline kUlnaKnots = {{1176, 1640}, {1184, 1608}, {1194, 1600}, {1203, 1612}, {1203, 1650}, {1194, 1690},
                            {1182, 1740}, {1175, 1820}, {1174, 1950}, {1174, 2250}, {1174, 2500}, {1096, 2500},
                            {1095, 2250}, {1094, 1950}, {1092, 1820}, {1087, 1740}, {1078, 1695}, {1075, 1656},
                            {1090, 1637}, {1120, 1632}, {1152, 1638}};

}  // namespace

Outline long_template(Family family, std::string_view name) {
  switch (family) {
    case Family::kDistal:
      return symmetric(kDistal);
    case Family::kMiddle:
      return symmetric(kMiddle);
    case Family::kProximal:
      return symmetric(kProximal);
    case Family::kThumbMetacarpal:
      return symmetric(kThumbMetacarpal);
    case Family::kMetacarpal:
      return metacarpal(name);
    case Family::kCarpal:
    case Family::kForearm:
      break;
  }
  throw Error(ExitCode::kUsage, "no long bone of the hand: " + std::string(name));
}

Outline carpal_template(std::string_view name) { return carpals().at(name); }

Outline forearm_template(std::string_view name) { return name == "Radius" ? kRadiusKnots : kUlnaKnots; }

}  // namespace osteon::data::phantom
