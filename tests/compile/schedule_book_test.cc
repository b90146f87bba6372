// Schedules kept from one compilation to the next.
#include "engine/compile/schedule_book.h"

#include <gtest/gtest.h>

#include "engine/compile/conv_tuner.h"

namespace quadlane::compile {
namespace {

ConvSpec spec(Isa isa, int pitch) {
  ConvSpec s;
  s.isa = isa;
  s.taps = {{}};
  for (int y = -1; y <= 1; ++y)
    for (int x = -1; x <= 1; ++x) s.taps[0].push_back((y * pitch + x) * kPixelBytes);
  return s;
}

TEST(ScheduleBook, TextHoldsEverything) {
  ScheduleBook book;
  book.keep("a problem", {3, 8, 3, true, 256, 1.5});
  book.keep_lanes("a problem", OconvSchedule{2, 7, 2, 9});
  book.keep_lanes("another", std::nullopt);
  auto read = ScheduleBook::from_text(book.to_text());
  ASSERT_TRUE(read.ok()) << read.error().text();
  EXPECT_EQ(read->to_text(), book.to_text());
  EXPECT_TRUE(same_tile(*read->find("a problem"), {3, 8, 3, true, 256, 0}));
  EXPECT_TRUE(same_tile(**read->find_lanes("a problem"), OconvSchedule{2, 7, 2, 0}));
  EXPECT_FALSE(read->find_lanes("another")->has_value());
  EXPECT_EQ(read->find("another"), nullptr);
}

TEST(ScheduleBook, RefusesWhatIsNoSchedule) {
  for (const char* text : {"3,8,3,1,256", "3,8\tx", "3,8,,1,2\tx", "-3,8,3,1,2\tx", "99999999999,1,1\tx", "\n", "some\tx"})
    EXPECT_FALSE(ScheduleBook::from_text(std::string("1,2,3\tfine\n") + text).ok()) << text;
}

// What is kept is taken without timing; what is no candidate, because a file says so, is not.
TEST(ScheduleBook, TunerTakesOnlyCandidates) {
  const CpuInfo cpu = detect_cpu();
  if (cpu.best_isa() == Isa::reference) GTEST_SKIP() << "this CPU runs no generated code";
  const Geometry g = make_geometry(1, 40, 40, 1, 1, 1).value();
  const ConvSpec s = spec(cpu.best_isa(), g.pitch);
  const ConvExtent extent{32, g.vectors(), {8}};
  auto book = std::make_shared<ScheduleBook>();
  int saved = 0;
  book->save = [&](const ScheduleBook&) { ++saved; };
  ConvTuner first(cpu, /*timing=*/true);
  first.set_book(book);
  auto chosen = first.choose(s, extent, g, g);
  ASSERT_TRUE(chosen.ok());
  book->compiled();
  EXPECT_EQ(saved, 1);
  std::string text = book->to_text();
  const std::string problem = text.substr(text.find('\t') + 1, text.size() - text.find('\t') - 2);

  // The slowest candidate, kept, wins.
  const ConvSchedule last = conv_schedules(s, extent, cpu).back();
  book->keep(problem, last);
  ConvTuner second(cpu, true);
  second.set_book(book);
  EXPECT_TRUE(same_tile(second.choose(s, extent, g, g).value(), last));

  book->keep(problem, {1000, 3, 77, true, 5, 0});
  auto again = second.choose(s, extent, g, g);
  ASSERT_TRUE(again.ok());
  EXPECT_NE(again->pv, 1000);
}

}  // namespace
}  // namespace quadlane::compile
