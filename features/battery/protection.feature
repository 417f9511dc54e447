# Thresholds: protection-and-sequences.md §2 (all assumption unless a source is shown), §4, §5, §10.
@protection
Feature: Protection of cells and clusters
  Level 3 opens the contactors of the cluster it concerns; starting up never puts a surge on anything.

  @catches-late-trip
  Scenario: A cell far above its voltage limit opens its cluster
    Given the plant is in operation
    When the voltage measured at cell 17 of pack 5 in cluster 3 reads 3.90 V
    Then within 2.2 s the BCU of cluster 3 reports an alarm of level 3 [§2 COV: 0.7 s, P4; 0.5 s for two bus cycles]
    And within 3.2 s the contactors of cluster 3 are open [assumption §4: within 1 s of level 3]

  @catches-wrong-threshold @catches-silent-alarm
  Scenario: A cell just above its voltage limit opens its cluster too
    Given the plant is in operation
    When the voltage measured at cell 3 of pack 2 in cluster 1 reads 3.66 V
    Then within 2.2 s the BCU of cluster 1 reports an alarm of level 3 [§2 COV: 3.65 V for 0.7 s]
    And within 3.2 s the contactors of cluster 1 are open [assumption §4]

  Scenario: A cell just below its voltage limit does not
    Given the plant is in operation
    When the voltage measured at cell 3 of pack 2 in cluster 1 reads 3.63 V
    Then for 5 s the contactors of cluster 1 stay closed [§2 COV: L3 is 3.65 V]
    And still the BCU of cluster 1 reports an alarm of level 2 [§2 COV: L2 is 3.60 V for 1 s]

  @catches-ignores-one-sensor
  Scenario Outline: Every temperature sensor counts: sensor <sensor> of pack <pack>
    Given the plant charges at 0.25 C
    When temperature sensor <sensor> of pack <pack> in cluster 2 reads 56 °C
    Then within 9 s the BCU of cluster 2 reports an alarm of level 3 [§2 CHT: 55 °C for 6 s, P4; 1 s temperature cycle]
    And within 10 s the contactors of cluster 2 are open [assumption §4]

    Examples:
      | pack | sensor |
      | 1    | 1      |
      | 5    | 11     |
      | 9    | 22     |

  @catches-no-precharge
  Scenario: The first cluster charges the bus before it closes
    Given the plant is powered up
    When the operator starts the plant
    Then within 10 s a precharge contactor is closed [assumption §4 step 6]
    And within 20 s the DC bus is above 1200 V [§4 step 6: 95 % within 5 s, 10 s at most]
    And within 60 s the stack is connected [assumption §4]
    And first a precharge contactor is closed, then the DC bus is above 1200 V [assumption §4]
    And first the DC bus is above 1200 V, then a positive main contactor is closed [assumption §4: K+ only on a charged bus]

  @catches-closes-onto-voltage-gap
  Scenario: A cluster more than 20 V off stays out
    Given cluster 3 stands at 5 % state of charge
    And the plant is powered up
    When the operator starts the plant
    Then within 60 s the contactors of cluster 1 are closed [assumption §4]
    And within 60 s the contactors of cluster 2 are closed [assumption §4]
    And for 20 s the contactors of cluster 3 stay open [assumption §5: above 20 V refuse]

  @catches-frozen-heartbeat
  Scenario: The PCS stays in service while the BMS is alive
    Given the plant discharges at 0.25 C
    When 15 s pass
    Then still the PCS delivers or takes power [§10: no BMS heartbeat for 10 s stops the PCS]
    And still the contactors of every cluster are closed

  Scenario: A pack that falls silent opens its cluster
    Given the plant is in operation
    When the BMU of pack 4 in cluster 2 falls silent
    Then within 2 s the BCU of cluster 2 reports an alarm of level 1 [assumption §10: 1 s]
    And within 4 s the BCU of cluster 2 reports an alarm of level 2 [assumption §10: 3 s]
    And within 6 s the BCU of cluster 2 reports an alarm of level 3 [assumption §10: 5 s]
    And within 7 s the contactors of cluster 2 are open [assumption §4]

  @catches-stuck-limits
  Scenario: The charge limit follows a cell that gets full
    Given the plant charges at 0.5 C
    When the voltage measured at cell 5 of pack 3 in cluster 2 reads 3.58 V
    Then within 3 s the BAU allows at most 60 A per cluster for charging [§3: 2 % at 3.60 V, P1]
    And within 5 s the PCS takes at most 400 kW [assumption §3: the PCS follows within 1 s]
