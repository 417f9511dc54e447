# BMUs that get their addresses by an enable line from one to the next (protocols §7, RIG-BMU-1; times assumption). A missing
# BMU is judged by its silence, protection-and-sequences.md §10. Run it with a rig whose BMUs want addresses:
# scenarios/rigs/liquid-20ft-enable-chain.toml.
@enable-chain
Feature: BMUs get their addresses
  After power-up the BCU gives each BMU the address of its position; what is wrong with a string is named.

  Scenario: A full string is addressed and goes into operation
    Given the plant is powered up
    Then within 5 s 9 BMUs of cluster 1 have their address [assumption: 9 BMUs within 2 s]
    And within 5 s the BCU of cluster 1 has given all addresses
    When the operator starts the plant
    Then within 60 s the stack is connected [assumption §4]
    And still the BCU of cluster 1 reports no alarm above level 0

  Scenario: A broken chain ends where it is broken
    Given the plant is powered up
    When fault bmu-chain hits container-01/cluster-01/pack-03/bmu
    And fault can-reset hits container-01/cluster-01/bcu
    Then within 8 s the BCU of cluster 1 misses the BMU of pack 4 [assumption: 3 tries of 1 s]
    And still 3 BMUs of cluster 1 have their address
    And within 20 s the BCU of cluster 1 reports an alarm of level 3 [assumption §10: silent for 5 s after a self-test of 10 s]
    And still the BCU of cluster 2 reports no alarm above level 0
    When fault bmu-chain of container-01/cluster-01/pack-03/bmu ends
    Then within 3 s 9 BMUs of cluster 1 have their address [assumption]

  Scenario: Two BMUs with one address
    Given the plant is powered up
    When fault bmu-same-id with id 2 hits container-01/cluster-01/pack-05/bmu
    Then within 1 s the BCU of cluster 1 sees address 2 twice [assumption]
    And within 1 s the BCU of cluster 1 misses the BMU of pack 5 [assumption]
    And within 7 s the BCU of cluster 1 reports an alarm of level 3 [assumption §10: 5 s]

  Scenario: BMUs that have changed places are named, and their addresses follow their places
    Given the plant is powered up
    When fault bmu-swapped with pack 7 hits container-01/cluster-01/pack-03/bmu
    And fault can-reset hits container-01/cluster-01/bcu
    Then within 5 s the BCU of cluster 1 finds another BMU at pack 3 [assumption]
    And within 5 s 9 BMUs of cluster 1 have their address [assumption]
    And still the BMU of pack 3 in cluster 1 has address 3

  Scenario: A BMU that comes late is missed, and then taken
    Given the plant is powered up
    When fault can-reset with off 12000 hits container-01/cluster-01/pack-06/bmu
    And fault can-reset hits container-01/cluster-01/bcu
    Then within 8 s the BCU of cluster 1 misses the BMU of pack 6 [assumption]
    And still 5 BMUs of cluster 1 have their address
    And within 15 s 9 BMUs of cluster 1 have their address [D: 12 s without supply, and its self-test]

  Scenario: A BMU that resets in service gets its address back
    Given the plant is in operation
    When fault can-reset with off 1500 hits container-01/cluster-01/pack-04/bmu
    Then within 1.5 s the BCU of cluster 1 reports an alarm of level 1 [assumption §10: silent for 1 s]
    And within 3 s the BMU of pack 4 in cluster 1 has address 4 [D: 1.5 s without supply, 0.3 s of self-test]
    And for 10 s the contactors of cluster 1 are closed [assumption §10: opened after 5 s of silence]
    And still 9 BMUs of cluster 1 have their address
