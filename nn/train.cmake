# Networks on a backend: the executor, inference, training.
list(APPEND NN_SOURCES
  executor.c executor_backward.c executor_feed.c executor_forward.c executor_gather.c executor_plan.c executor_walk.c
  infer.c checkpoint.c train.c train_options.c recalibrate.c)
