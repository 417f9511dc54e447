# Faults of CAN links by the names `bessrig faults` lists. Limits of the BCU are those of protection-and-sequences.md §10;
# error confinement is ISO 11898-1 [R].
@timed-bus
Feature: CAN links that misbehave
  A bus that keeps time shows what arbitration, error frames and lost nodes do to the battery's protection.

  Scenario: The cluster's bus has room to spare
    Given the plant is in operation
    Then for 10 s the load of cluster-can-01 stays below 50 % [protocols §7: target below 50 %]
    And still no node of cluster-can-01 is bus-off
    And still cluster-can-01 has lost no frames

  Scenario: A BMU that is off the bus opens its cluster, and the other one goes on
    Given the plant is in operation
    When fault can-bus-off hits container-01/cluster-01/pack-04/bmu
    Then within 1 s 1 node of cluster-can-01 is bus-off
    And within 6 s the BCU of cluster 1 reports an alarm of level 3 [assumption §10: 5 s]
    And within 7 s the contactors of cluster 1 are open [assumption §4]
    And still the contactors of cluster 2 are closed

  Scenario: A short silence is survived
    Given the plant is in operation
    When fault can-drop hits container-01/cluster-01/pack-04/bmu for 500 ms
    Then for 10 s the contactors of cluster 1 are closed [assumption §10: warned after 1 s, opened after 5 s]

  Scenario: A bad line is repaired by repetition
    Given the plant is in operation
    When fault can-disturb with share 0.02 hits container-01/cluster-01/pack-04/bmu
    Then for 30 s the contactors of cluster 1 are closed [ISO 11898-1 R: a destroyed frame is sent again]
    And still no node of cluster-can-01 is bus-off

  Scenario: A babbling node takes the bus, and the cluster opens
    Given the plant is in operation
    When fault can-babble hits container-01/cluster-01/pack-04/bmu
    Then within 3 s the load of cluster-can-01 is above 95 %
    And within 7 s the contactors of cluster 1 are open [assumption §10, §4: BMUs silent for 5 s]
    And still the contactors of cluster 2 are closed

  Scenario: A shorted bus opens its cluster
    Given the plant is in operation
    When fault can-short hits cluster-can-01
    Then within 1 s 9 nodes of cluster-can-01 are bus-off
    And within 7 s the contactors of cluster 1 are open [assumption §10, §4: BMUs silent for 5 s]
    And still the contactors of cluster 2 are closed

  Scenario: A frozen payload is noticed by its life counter
    Given the plant is in operation
    When fault can-stale hits container-01/cluster-01/pack-04/bmu
    Then within 7 s the contactors of cluster 1 are open [assumption §10: a counter that stands still is silence]
