#!/bin/sh
# Draws every figure in both forms from small tables made here, also from tables with gaps, and
# looks whether they are there. Usage: plots_test.sh FOLDER_OF_SCRIPTS; 77 without gnuplot.
set -eu
plots=$1
command -v gnuplot > /dev/null || exit 77
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

draw() { # folder: all figures; fails where gnuplot says "error" or draws nothing
  for figure in compression area_efficiency energy_efficiency accuracy episodes layers \
    area_breakdown energy_breakdown laws sizes index control converter devices \
    recovery curves bits pareto convergence sensitivity; do
    for form in png svg; do
      gnuplot -e "results='$1'; out='$1/figures'; term='$form'" "$plots/$figure.gp" 2> log || {
        echo "$1: $figure.gp ($form) failed:"
        cat log
        exit 1
      }
      file=$1/figures/$figure.$form
      if [ ! -s "$file" ]; then
        echo "$file is missing or empty"
        exit 1
      fi
    done
  done
}

table() { # methods: table.csv of two networks
  echo "# commit: 0123456789abcdef"
  echo "# command: autoprune compare --max-loss 0.02 --out x"
  echo "network,data,method,crossbar,dense_accuracy_test,accuracy_test,crossbars_compression,\
compression_vs_pim,area_efficiency,area_efficiency_vs_pim,energy_efficiency,\
energy_efficiency_vs_pim,feasible"
  for network in lenet5 resnet8; do
    i=1
    for method in "$@"; do
      echo "$network,fashion-mnist,$method,128x128,0.91,0.90$i,$i.5,1.$i,$i.25,1.$i,$i.1,1.$i,$((i % 4 > 0))"
      i=$((i + 1))
    done
  done
}

mkdir full gaps
table dense filter pim-prune row-vector column-vector random auto-prune > full/table.csv
{
  echo "network,searcher,episode,reward,accuracy,accuracy_loss,compression,crossbars,feasible,sigma"
  for network in lenet5 resnet8; do
    for searcher in ddpg random; do
      for episode in 0 1 2 3 4 5; do
        echo "$network,$searcher,$episode,0.$episode,0.9,0.01,$((1 + episode)).5,9,$((episode % 2)),"
      done
    done
  done
} > full/episodes.csv
{
  echo "network,method,layer_index,layer,keep_vectors,keep_weights,crossbars,crossbars_dense"
  for network in lenet5 resnet8; do
    for method in dense filter pim-prune row-vector column-vector random auto-prune; do
      for layer in 0 1 2 3; do
        echo "$network,$method,$layer,conv$layer,0.$((layer + 2)),0.$((layer + 2)),3,8"
      done
    done
  done
} > full/layers.csv
{
  echo "network,method,component,area_mm2,energy_uj,area_share,energy_share,area_of_dense,energy_of_dense"
  for network in lenet5 resnet8; do
    for method in dense filter pim-prune row-vector column-vector random auto-prune; do
      for part in array dac adc edram bus index_buffer sigmoid; do
        echo "$network,$method,$part,0.1,0.2,0.14,0.14,0.07,0.09"
      done
    done
  done
} > full/breakdown.csv
{
  echo "network,method,law,area_mm2,energy_uj,area_efficiency,energy_efficiency,area_efficiency_vs_pim,energy_efficiency_vs_pim"
  for network in lenet5 resnet8; do
    for method in dense pim-prune column-vector; do
      for law in isaac sre linear; do echo "$network,$method,$law,1,2,1.5,2.5,1.1,1.2"; done
    done
  done
} > full/laws.csv
{
  echo "# keep: 0.3"
  echo "network,axis,crossbar,ou,method,crossbars_compression,energy_uj"
  for network in my_net other; do
    for size in 32x32 64x64; do
      for method in dense pim-prune unstructured; do
        echo "$network,crossbar,$size,9x8,$method,1.5,20"
        echo "$network,ou,128x128,$size,$method,2.5,10"
      done
    done
  done
} > full/sizes.csv
{
  echo "network,shape,length,index_of_stored_bits,index_of_area,index_of_energy"
  for shape in column-vector row-vector; do
    for length in 1 4 16; do echo "my_net,$shape,$length,0.$length,0.1,0.01"; done
  done
} > full/index.csv
{
  echo "network,case,zeros,relative_area,relative_latency_with_copies,relative_energy"
  for case in array:scattered array:rows+columns ou:scattered ou:column-vectors; do
    for zeros in 0 0.5 0.9; do echo "my_net,$case,$zeros,0.9,0.8,0.7"; done
  done
} > full/control.csv
{
  echo "# split: test"
  echo "network,adc_bits,accuracy,quantised_accuracy,images"
  for bits in 3 4 5; do echo "my_net,$bits,0.$((bits + 4)),0.9,250"; done
} > full/converter.csv
{
  echo "network,sigma,accuracy_low,accuracy_high,accuracy,quantised_accuracy,images"
  for sigma in 0 0.1 0.2; do echo "my_net,$sigma,0.5,0.7,0.6,0.9,250"; done
} > full/devices.csv
{
  echo "network,method,seed,kind,split,crossbars,compression,accuracy,dense_accuracy,accepted,front"
  for network in lenet5 resnet8; do
    for method in pim-prune auto-prune knapsack; do
      for kind in recovered one-shot; do
        for n in 10 20 40; do echo "$network,$method,1,$kind,x,$n,2,0.9$n,0.95,1,$((n > 10))"; done
      done
    done
  done
} > full/points.csv
{
  echo "network,method,searcher,n,image_forwards,compression,compression_low,compression_high"
  for method in random auto-prune; do
    for n in 1 2 3; do echo "lenet5,$method,x,3,${n}000,$n,0.$n,$n.5"; done
  done
} > full/convergence.csv
{
  echo "axis,value,network,method,n,crossbars_compression,crossbars_compression_low,\
crossbars_compression_high,area_efficiency,area_efficiency_low,area_efficiency_high,\
energy_efficiency,energy_efficiency_low,energy_efficiency_high"
  for point in max-loss,0.005 max-loss,0.01 ou,4x4 ou,9x8; do
    for method in dense pim-prune auto-prune; do
      echo "$point,lenet5,$method,3,2,1.5,2.5,3,2.5,3.5,4,3.5,4.5"
    done
  done
} > full/sensitivity.csv
{
  echo "# split: test"
  echo "network,sparsity,recovery,accuracy,quantised_accuracy,images"
  for network in my_net other; do
    echo "$network,0,dense,0.91,0.9,250"
    for way in one-shot repaired fine-tuned; do
      for share in 0.5 0.7 0.9; do echo "$network,$share,$way,0.7,0.69,250"; done
    done
  done
} > full/recovery.csv
{
  echo "# split: search"
  echo "network,layer,repaired,keep_vectors,accuracy,images"
  for network in my_net other; do
    for layer in conv1 conv2 conv3 conv4 conv5 fc_6; do
      for repaired in 0 1; do
        for share in 0.1 0.5 1; do echo "$network,$layer,$repaired,$share,0.8,250"; done
      done
    done
  done
} > full/curves.csv
{
  echo "# split: test"
  echo "network,layer,layer_index,weight_bits,accuracy,float_accuracy,images"
  for network in my_net other; do
    for bits in 2 5 8; do
      echo "$network,all,0,$bits,0.8,0.9,250"
      echo "$network,conv_1,1,$bits,0.625,0.9,250"
      echo "$network,fc,2,$bits,0.9,0.9,250"
    done
  done
} > full/bits.csv
draw full
# what is drawn is what the tables say
for text in "AUTO-PRUNE (DDPG)" "7.50×" "paper: up to 3.3×" "at most 2 points" "128x128" "commit 0123456789ab"; do
  grep -q -F -e "$text" full/figures/compression.svg || {
    echo "compression.svg does not say: $text"
    exit 1
  }
done
grep -q -F "resnet8" full/figures/episodes.svg
grep -q -F "knapsack search" full/figures/pareto.svg
grep -q -F "mean of 3 seeds" full/figures/convergence.svg
grep -q -F "0.5 %" full/figures/sensitivity.svg

# several seeds: means and intervals where there is a summary, in panels below each other
mkdir seeds
table dense pim-prune auto-prune > seeds/table.csv
{
  echo "# commit: 0123456789abcdef"
  echo "network,data,method,crossbar,n,within_limit,dense_accuracy_test,accuracy_test,accuracy_test_low,\
accuracy_test_high,crossbars_compression,crossbars_compression_low,crossbars_compression_high,\
compression_vs_pim,compression_vs_pim_low,compression_vs_pim_high,area_efficiency,area_efficiency_low,\
area_efficiency_high,area_efficiency_vs_pim,area_efficiency_vs_pim_low,area_efficiency_vs_pim_high,\
energy_efficiency,energy_efficiency_low,energy_efficiency_high,energy_efficiency_vs_pim,\
energy_efficiency_vs_pim_low,energy_efficiency_vs_pim_high"
  for network in lenet5 resnet20 vgg16:0.5 resnet18:0.5 vgg16; do
    for method in dense pim-prune auto-prune; do
      echo "$network,cifar10,$method,128x128,3,1,0.91,0.9,0.89,0.905,8.25,-3,20,2,1,3,2,1,3,2,1,3,2,1,3,2,,"
    done
  done
} > seeds/summary.csv
for file in episodes layers breakdown laws sizes index control converter devices recovery curves bits \
  points convergence sensitivity; do
  cp full/$file.csv seeds/
done
draw seeds
for text in "8.25×" "mean of 3 seeds" "vgg16:0.5" "resnet18:0.5"; do
  grep -q -F -e "$text" seeds/figures/compression.svg || {
    echo "compression.svg of seeds does not say: $text"
    exit 1
  }
done
grep -q -F "conv3" full/figures/layers.svg
grep -q -F "index tables" full/figures/area_breakdown.svg
grep -q -F "keeps 30 %" full/figures/sizes.svg
grep -q -F "my_net" full/figures/sizes.svg
grep -q -F "250 images of the test split" full/figures/converter.svg
for text in "250 images of the search split" "conv5" "fc_6" "other" "repaired"; do
  grep -q -F -e "$text" full/figures/curves.svg
done
for text in "250 images of the test split" "conv_1" "27.5"; do
  grep -q -F -e "$text" full/figures/bits.svg
done
for text in "250 images of the test split" "fine-tuned" "my_net"; do
  grep -q -F -e "$text" full/figures/recovery.svg
done

# one network, no PIM-Prune, a method of the user's own, no search at all, values that are missing
table dense column-vector:4 auto-prune | grep -v resnet8 | sed 's/,1\.3,/,,/g' > gaps/table.csv
head -n 1 full/episodes.csv > gaps/episodes.csv
grep -E "^network|^lenet5,(dense|auto)" full/layers.csv > gaps/layers.csv
for file in breakdown laws sizes index control converter devices recovery curves bits points \
  convergence sensitivity; do
  grep -v "^#" full/$file.csv | head -n 1 > gaps/$file.csv
done
draw gaps
