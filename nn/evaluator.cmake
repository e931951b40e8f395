list(APPEND NN_SOURCES evaluator.c evaluator_engine.c evaluator_plan.c evaluator_over.c evaluator_order.c evaluator_cache.c
     evaluator_work.c evaluator_integer.c evaluator_activation.c evaluator_levels.c evaluator_race.c paired.c)
